-- Takes units for passes, for a batch of requests: one after the other as they came, each as if it were alone. A request
-- takes each tier's units in one of these ways, all items or nothing:
--   any               the lowest free ones; in a tier of rows that is the front, from the end where seat 1 is
--   seats             these and no others
--   together          side by side in one row: the first row that has so many, in it the nearest to its middle
--   together_or_any   side by side if a row has so many, else any
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 next  11 turns
--   12 shopping  13 charges  14 pace  15 rows  16 runs  17 held  18… request
-- ARGV
--   1 how long a request is remembered (s)
--   2… for each request: hold, fingerprint of the request (32 bytes), number, TTL (ms), session (ms), the most units a hold
--   may have, how many items, and for each item tier, way, quantity or units (`3,4,9`), how many of the tier may be gone
--   (empty: all); each tier and unit once
-- Returns
--   not_loaded             Redis was lost
--   answered [word …] …    for each request one of these:
--   taken hold record      units are held; a first hold turned the claim window into a session
--   replayed hold record   the request was answered before: its hold, as it is now
--   request_reused         the request was made before with another content, or the hold exists by another request
--   paused                 no new holds
--   reclaiming s           Redis was lost: for so long only receipts are honoured (hold_reclaim)
--   pass_unknown           the number was never inside
--   pass_expired           the number is not inside any more
--   pass_in_use            the pass has a live hold
--   limit_reached          more units than a hold may have
--   sold_out tier          nothing of the tier is free or held
--   too_few_left tier free held   so many are, which is fewer than asked for by number; seats asked for by name are taken
--   all_held tier          enough units, but some of them are held: some come back
--   seat_taken tier [units …]   of the seats asked for, those that are not free
--   none_together tier     enough units are free, but no row has so many side by side
--   allocation_sold_out tier   enough units, but more of them than may be gone now would be ordered or sold
--   broken why             Redis contradicts itself, or the caller; nothing was taken
-- Invariant: I1, a unit is in one live hold at most; free + held of a tier changes in no hold.
-- Repeat: safe; the request's first answer is found again and nothing more is taken.
-- Cost: O(units asked for) commands, bounded by the caller (TAKE_BATCH_MAX): 8 for the batch and about 24 for a request; any
-- passes over a tier's bitmap once, ≤ 16 KiB; together over 512 bytes and one row.
assert(#KEYS >= 17 and #ARGV >= 1, 'hold_take takes 17 or more keys and 1 or more arguments')

local REQUESTS = 17 -- keys before the first of `request`
local SHARED, OWN, OF_ITEM = 1, 7, 4 -- arguments of the batch, of a request, of an item

-- What is the same for all requests of the batch.
local is_paused = redis.call('EXISTS', K.paused) == 1
local reclaiming_ms = (redis.call('HGET', K.pace, 'reclaim_until_ms') or 0) - now_ms
local last_number, clock_now_ms = tonumber(redis.call('GET', K.next)), clock_ms()

-- A tier in which an item wants so many units, and which.
local function item_at(index)
    local item = {tier = ARGV[index], way = ARGV[index + 1], allowed = tonumber(ARGV[index + 3]), units = {}}
    if item.way == 'seats' then
        for unit in string.gmatch(ARGV[index + 2], '%d+') do
            item.units[#item.units + 1] = tonumber(unit)
        end
        item.quantity = #item.units
    else
        item.quantity = tonumber(ARGV[index + 2])
    end
    return item
end

-- A request, and where the next one begins.
local function request_at(index, key)
    local request = {key = key, hold = ARGV[index], fingerprint = ARGV[index + 1], number = ARGV[index + 2]}
    request.ttl_ms, request.session_ms, request.limit = ARGV[index + 3], ARGV[index + 4], tonumber(ARGV[index + 5])
    request.items, request.wanted = {}, 0
    local past = index + OWN + OF_ITEM * ARGV[index + 6]
    for at = index + OWN, past - 1, OF_ITEM do
        local item = item_at(at)
        request.items[#request.items + 1], request.wanted = item, request.wanted + item.quantity
    end
    return request, past
end

-- The answer to a request that was answered before; nil when it is new.
local function answered(request)
    local fingerprint = request.fingerprint
    local earlier = redis.call('GET', request.key)
    local first = earlier and hold_read(string.sub(earlier, #fingerprint + 1))
    if first then
        if string.sub(earlier, 1, #fingerprint) ~= fingerprint then
            return {'request_reused'}
        end
        return {'replayed', first.id, hold_text(first)}
    end
    if redis.call('HEXISTS', K.holds, request.hold) == 1 then
        return {'request_reused'}
    end
end

-- Why a pass may hold nothing now, or nil and the end of its session, if it has begun.
local function barred(number)
    if is_paused then
        return {'paused'}
    elseif reclaiming_ms > 0 then
        return {'reclaiming', math.ceil(reclaiming_ms / 1000)}
    elseif tonumber(number) > last_number then
        return {'pass_unknown'}
    end
    local claim_by = redis.call('ZSCORE', K.turns, number)
    local session_end = not claim_by and redis.call('ZSCORE', K.shopping, number)
    if tonumber(claim_by or session_end or 0) <= clock_now_ms then
        return {'pass_expired'}
    elseif redis.call('HEXISTS', K.claims, number) == 1 then
        return {'pass_in_use'}
    end
    return nil, session_end and tonumber(session_end)
end

local function lowest_free(item)
    local found, place = {}, item.base - 1
    for _ = 1, item.quantity do
        place = redis.call('BITPOS', K.free, 1, place + 1, item.base + TIER_BITS - 1, 'BIT')
        if place < 0 then
            return nil
        end
        found[#found + 1] = place - item.base
    end
    return found
end

-- Seats side by side, as near to the middle of the row as its free runs allow; of two that are as near, the lower. Nil when
-- there are none, though `runs` says so.
local function in_row(item, rows, row)
    if row > #rows / ROW_BYTES - 2 then
        return nil
    end
    local seats = row_first(rows, row + 1) - row_first(rows, row)
    local ideal = math.floor((seats - item.quantity) / 2)
    local nearest, distance
    each_run(item.base, rows, row, function(run, length)
        local start = math.max(run, math.min(ideal, run + length - item.quantity))
        local off = math.abs(2 * start + item.quantity - seats)
        if length >= item.quantity and (not nearest or off < distance) then
            nearest, distance = start, off
        end
    end)
    if not nearest then
        return nil
    end
    local found = {}
    for seat = 0, item.quantity - 1 do
        found[#found + 1] = row_first(rows, row) + nearest + seat
    end
    return found
end

-- The first row that has so many side by side, as `runs` says; nil when none has.
local function row_for(item)
    if not rows_of(item.tier) or item.quantity > RUN_MAX then
        return nil
    end
    local from = runs_base(item.base, item.quantity)
    local place = redis.call('BITPOS', K.runs, 1, from, from + ROW_BITS - 1, 'BIT')
    return place >= 0 and place - from or nil
end

local function those_taken(item)
    local taken = {}
    for _, unit in ipairs(item.units) do
        if unit >= TIER_BITS or redis.call('GETBIT', K.free, item.base + unit) == 0 then
            taken[#taken + 1] = unit
        end
    end
    return taken
end

-- By how many units an item is more than may be gone.
local function excess(item, free)
    local all = redis.call('HGET', K.stock, 'all:' .. item.tier) or 0
    return all - free + item.quantity - item.allowed
end

local bases = {}

local function base_of(tier)
    bases[tier] = bases[tier] or tonumber(redis.call('HGET', K.tiers, tier))
    return bases[tier]
end

-- Finds the units of an item; why there are none, if so.
local function find(item)
    local free, held = unpack(redis.call('HMGET', K.stock, 'free:' .. item.tier, 'held:' .. item.tier))
    if not free or item.quantity < 1 then
        return {'broken', 'unknown tier ' .. item.tier .. ', or nothing is wanted of it'}
    end
    item.base = base_of(item.tier)
    local left = free + held
    if left == 0 then
        return {'sold_out', item.tier}
    elseif item.way ~= 'seats' and item.quantity > left then
        return {'too_few_left', item.tier, free, held}
    end
    local too_many = item.allowed and excess(item, free) or 0
    if too_many > tonumber(held) then
        return {'allocation_sold_out', item.tier}
    elseif too_many > 0 then
        return {'all_held', item.tier}
    end
    if item.way == 'seats' then
        local taken = those_taken(item)
        if #taken > 0 then
            return {'seat_taken', item.tier, taken}
        end
    elseif item.quantity > tonumber(free) then
        return {'all_held', item.tier}
    elseif item.way == 'any' then
        item.units = lowest_free(item)
    else
        local row = row_for(item)
        if not row and item.way == 'together' then
            return {'none_together', item.tier}
        end
        item.units = row and in_row(item, rows_of(item.tier), row) or not row and lowest_free(item)
    end
    if not item.units then
        return {'broken', 'fewer free bits than `stock` or `runs` count in ' .. item.tier}
    end
end

local function hold(request, session_end)
    local texts = {}
    for _, item in ipairs(request.items) do
        units_held(item.tier, item.base, item.units)
        texts[#texts + 1] = item.tier .. '=' .. table.concat(item.units, ',')
    end
    local number, expires_ms, units = request.number, now_ms + request.ttl_ms, table.concat(texts, ';')
    local taken = {id = request.hold, state = 'held', number = number, expires_ms = expires_ms, units = units}
    hold_write(taken, expires_ms)
    redis.call('HSET', K.claims, number, taken.id)
    redis.call('SET', request.key, request.fingerprint .. taken.id, 'EX', ARGV[1])
    if not session_end and redis.call('ZREM', K.turns, number) == 1 then
        turn_resolved(number, false)
    end
    redis.call('ZADD', K.shopping, math.max(session_end or now_ms + request.session_ms, expires_ms), number)
    return {'taken', taken.id, hold_text(taken)}
end

local function take(request)
    local known = answered(request)
    if known then
        return known
    end
    local why, session_end = barred(request.number)
    if why then
        return why
    elseif request.wanted > request.limit then
        return {'limit_reached'}
    end
    for _, item in ipairs(request.items) do
        local missing = find(item)
        if missing then
            return missing
        end
    end
    return hold(request, session_end)
end

local answers, at, request = {}, SHARED + 1, nil
for key = REQUESTS + 1, #KEYS do
    request, at = request_at(at, KEYS[key])
    answers[#answers + 1] = take(request)
end
return {'answered', unpack(answers)}
