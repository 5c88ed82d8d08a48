-- Takes units for a pass, each tier's in one of these ways, all items or nothing:
--   any               the lowest free ones; in a tier of rows that is the front, from the end where seat 1 is
--   seats             these and no others
--   together          side by side in one row: the first row that has so many, in it the nearest to its middle
--   together_or_any   side by side if a row has so many, else any
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 next  11 turns
--   12 shopping  13 charges  14 pace  15 request  16 rows  17 runs
-- ARGV
--   1 hold  2 fingerprint of the request (32 bytes)  3 number  4 TTL (ms)  5 session (ms)  6 the most units a hold may have
--   7 how long the request is remembered (s)  8… tier, way, quantity or units (`3,4,9`) …; each tier and unit once
-- Returns
--   not_loaded             Redis was lost
--   taken hold record      units are held; a first hold turned the claim window into a session
--   replayed hold record   the request was answered before: its hold, as it is now
--   request_reused         the request was made before with another content, or the hold exists by another request
--   paused                 no new holds
--   reclaiming s           Redis was lost: for so long only receipts are honoured (hold_reclaim)
--   pass_unknown           the number was never inside
--   pass_expired           the number is not inside any more
--   pass_in_use            the pass has a live hold
--   limit_reached          more units than a hold may have
--   sold_out tier          the tier has fewer units free or held than asked for
--   all_held tier          enough units, but some of them are held: some come back
--   seat_taken tier [units …]   of the seats asked for, those that are not free
--   none_together tier     enough units are free, but no row has so many side by side
-- Invariant: I1, a unit is in one live hold at most; free + held of a tier changes in no hold.
-- Repeat: safe; the request's first answer is found again and nothing more is taken.
-- Cost: O(units asked for) commands; any passes over a tier's bitmap once, ≤ 16 KiB; together over 512 bytes and one row.
assert(#KEYS == 17 and #ARGV >= 10 and #ARGV % 3 == 1, 'hold_take takes 17 keys and triples after 7 arguments')

local hold_id, fingerprint, number = ARGV[1], ARGV[2], ARGV[3]

local earlier = redis.call('GET', K.request)
local first = earlier and hold_read(string.sub(earlier, #fingerprint + 1))
if first then
    if string.sub(earlier, 1, #fingerprint) ~= fingerprint then
        return {'request_reused'}
    end
    return {'replayed', first.id, hold_text(first)}
end
if redis.call('HEXISTS', K.holds, hold_id) == 1 then
    return {'request_reused'}
end
if redis.call('EXISTS', K.paused) == 1 then
    return {'paused'}
end
local reclaiming_ms = redis.call('HGET', K.pace, 'reclaim_until_ms') - now_ms
if reclaiming_ms > 0 then
    return {'reclaiming', math.ceil(reclaiming_ms / 1000)}
end

local claim_by, session_end = redis.call('ZSCORE', K.turns, number), redis.call('ZSCORE', K.shopping, number)
if tonumber(number) > tonumber(redis.call('GET', K.next)) then
    return {'pass_unknown'}
end
if tonumber(claim_by or session_end or 0) <= clock_ms() then
    return {'pass_expired'}
end
if redis.call('HEXISTS', K.claims, number) == 1 then
    return {'pass_in_use'}
end

local items, wanted = {}, 0
for index = 8, #ARGV, 3 do
    local item = {tier = ARGV[index], way = ARGV[index + 1], units = {}}
    if item.way == 'seats' then
        for unit in string.gmatch(ARGV[index + 2], '%d+') do
            item.units[#item.units + 1] = tonumber(unit)
        end
        item.quantity = #item.units
    else
        item.quantity = tonumber(ARGV[index + 2])
    end
    items[#items + 1], wanted = item, wanted + item.quantity
end
if wanted > tonumber(ARGV[6]) then
    return {'limit_reached'}
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

-- Seats side by side, as near to the middle of the row as its free runs allow; of two that are as near, the lower.
local function in_row(item, rows, row)
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
    local found = {}
    for seat = 0, item.quantity - 1 do
        found[#found + 1] = row_first(rows, row) + nearest + seat
    end
    return found
end

local function side_by_side(item)
    local rows = rows_of(item.tier)
    if not rows or item.quantity > RUN_MAX then
        return nil
    end
    local from = runs_base(item.base, item.quantity)
    local place = redis.call('BITPOS', K.runs, 1, from, from + ROW_BITS - 1, 'BIT')
    return place >= 0 and in_row(item, rows, place - from) or nil
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

for _, item in ipairs(items) do
    local free, held = unpack(redis.call('HMGET', K.stock, 'free:' .. item.tier, 'held:' .. item.tier))
    if not free or item.quantity < 1 then
        return redis.error_reply('ERR hold_take: unknown tier ' .. item.tier .. ', or nothing is wanted of it')
    end
    item.base = tonumber(redis.call('HGET', K.tiers, item.tier))
    if item.quantity > free + held then
        return {'sold_out', item.tier}
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
        item.units = side_by_side(item)
        if not item.units and item.way == 'together' then
            return {'none_together', item.tier}
        end
        item.units = item.units or lowest_free(item)
    end
    if not item.units then
        return redis.error_reply('ERR hold_take: fewer free bits than counted in ' .. item.tier)
    end
end

local texts = {}
for _, item in ipairs(items) do
    units_held(item.tier, item.base, item.units)
    texts[#texts + 1] = item.tier .. '=' .. table.concat(item.units, ',')
end

local expires_ms = now_ms + ARGV[4]
local hold = {id = hold_id, state = 'held', number = number, expires_ms = expires_ms, units = table.concat(texts, ';')}
hold_write(hold, expires_ms)
redis.call('HSET', K.claims, number, hold_id)
redis.call('SET', K.request, fingerprint .. hold_id, 'EX', ARGV[7])
if redis.call('ZREM', K.turns, number) == 1 then
    turn_resolved(number, false)
end
redis.call('ZADD', K.shopping, math.max(tonumber(session_end or now_ms + ARGV[5]), expires_ms), number)
return {'taken', hold_id, hold_text(hold)}
