-- Takes units for passes, for a batch of requests: one after the other as they came, each as if it were alone. A request
-- takes each tier's units in one of these ways, all items or nothing:
--   any               the lowest free ones; in a tier of rows that is the front, from the end where seat 1 is
--   seats             these and no others
--   together          side by side in one row: the first row that has so many, in it the nearest to its middle
--   together_or_any   side by side if a row has so many, else any
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 next  11 turns
--   12 shopping  13 charges  14 pace  15 rows  16 runs  17 held  18 moved  19… request
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
--   too_few_left tier free held   so many are, or may be had now, which is fewer than asked for by number; seats asked for
--                          by name are taken, unless what may be had now is fewer
--   all_held tier          enough units, but some of them are held: some come back
--   seat_taken tier [units …]   of the seats asked for, those that are not free
--   none_together tier     enough units are free, but no row has so many side by side
--   allocation_sold_out tier   as many units as may be gone now are ordered or sold
--   broken why             Redis contradicts itself, or the caller; nothing was taken
-- Invariant: I1, a unit is in one live hold at most; free + held of a tier changes in no hold.
-- Repeat: safe; the request's first answer is found again and nothing more is taken.
-- Cost: O(units asked for), bounded by the caller (TAKE_BATCH_MAX): about 30 commands for the batch and 1 for each hold, and
-- some for each stretch of `free` and each row that is looked into; any passes over a tier's bitmap once, ≤ 16 KiB; together
-- over 512 bytes and one row. All is read before anything is written, so a batch that fails leaves nothing behind.
assert(#KEYS >= 18 and #ARGV >= 1, 'hold_take takes 18 or more keys and 1 or more arguments')

local REQUESTS = 18 -- keys before the first of `request`
local SHARED, OWN, OF_ITEM = 1, 7, 4 -- arguments of the batch, of a request, of an item

-- A tier in which an item wants so many units, and which.
local function item_at(index)
    local item = {tier = ARGV[index], way = ARGV[index + 1], allowed = tonumber(ARGV[index + 3])}
    if item.way == 'seats' then
        item.units = {}
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
    local items, wanted, past = {}, 0, index + OWN + OF_ITEM * ARGV[index + 6]
    for at = index + OWN, past - 1, OF_ITEM do
        local item = item_at(at)
        items[#items + 1], wanted = item, wanted + item.quantity
    end
    return {
        key = key,
        hold = ARGV[index],
        fingerprint = ARGV[index + 1],
        number = ARGV[index + 2],
        ttl_ms = ARGV[index + 3],
        session_ms = ARGV[index + 4],
        limit = tonumber(ARGV[index + 5]),
        items = items,
        wanted = wanted,
    }, past
end

local requests, keys, ids, numbers, next_at = {}, {}, {}, {}, SHARED + 1
for index = 1, #KEYS - REQUESTS do
    local request
    request, next_at = request_at(next_at, KEYS[REQUESTS + index])
    requests[index], keys[index], ids[index], numbers[index] = request, request.key, request.hold, request.number
end
if #requests == 0 then
    return {'answered'}
end

-- What is the same for all requests of the batch.
local is_paused, last_number = unpack(redis.call('MGET', K.paused, K.next))
local reclaiming_ms = (redis.call('HGET', K.pace, 'reclaim_until_ms') or 0) - now_ms
local clock_now_ms = now_ms - gap_ms() -- a pause refuses everybody before this counts
last_number = tonumber(last_number)

-- What Redis has of each request, by its place in the batch, and what the batch has added to that.
local answer_of = redis.call('MGET', unpack(keys))
local record_of = redis.call('HMGET', K.holds, unpack(ids))
local claim_of = redis.call('HMGET', K.claims, unpack(numbers))
local turn_of = redis.call('ZMSCORE', K.turns, unpack(numbers))
local session_of -- most come with a turn: read when one does not
local answers_added, records_added, claims_added = {}, {}, {}

-- The answer to a request that was answered before; nil when it is new.
local function answered(index, request)
    local fingerprint, earlier = request.fingerprint, answers_added[request.key] or answer_of[index]
    if earlier then
        local id = string.sub(earlier, #fingerprint + 1)
        local first = not records_added[id] and hold_read(id)
        local record = records_added[id] or first and hold_text(first)
        if record and string.sub(earlier, 1, #fingerprint) ~= fingerprint then
            return {'request_reused'}
        elseif record then
            return {'replayed', id, record}
        end
    end
    if records_added[request.hold] or record_of[index] then
        return {'request_reused'}
    end
end

local function session_end_of(index)
    session_of = session_of or redis.call('ZMSCORE', K.shopping, unpack(numbers))
    return session_of[index]
end

-- Why a pass may hold nothing now, or nil and the end of its session, if it has begun.
local function barred(index, number)
    if is_paused then
        return {'paused'}
    elseif reclaiming_ms > 0 then
        return {'reclaiming', math.ceil(reclaiming_ms / 1000)}
    elseif tonumber(number) > last_number then
        return {'pass_unknown'}
    end
    local claim_by = turn_of[index]
    local session_end = not claim_by and session_end_of(index)
    if tonumber(claim_by or session_end or 0) <= clock_now_ms then
        return {'pass_expired'}
    elseif claims_added[number] or claim_of[index] then
        return {'pass_in_use'}
    end
    return nil, session_end and tonumber(session_end)
end

-- Finds the units of an item by number, and their row if they are together; false when none are together.
local function find_some(tier, item)
    local units, row = false, nil
    if item.way ~= 'any' then
        units, row = together(tier, item.quantity)
    end
    if units == false and item.way ~= 'together' then
        units = lowest_free(tier, item.quantity)
    end
    return units, row
end

-- Why an item is more than may be gone of its tier now, if it is; of what is gone, held units may come back.
local function beyond_allocation(tier, item, left)
    local room = math.max(0, math.min(item.allowed - tier.all + left, left))
    local free = math.max(0, room - tier.held)
    if room == 0 then
        return {'allocation_sold_out', item.tier}
    elseif item.quantity > room then
        return {'too_few_left', item.tier, free, room - free}
    elseif item.quantity > free then
        return {'all_held', item.tier}
    end
end

-- Finds the units of an item; why there are none, if so.
local function find(item)
    local tier = tier_of(item.tier)
    if not tier or item.quantity < 1 then
        return {'broken', 'unknown tier ' .. item.tier .. ', or nothing is wanted of it'}
    end
    local left = tier.free + tier.held
    if left == 0 then
        return {'sold_out', item.tier}
    elseif item.way ~= 'seats' and item.quantity > left then
        return {'too_few_left', item.tier, tier.free, tier.held}
    end
    local beyond = item.allowed and item.allowed < tier.all and beyond_allocation(tier, item, left)
    if beyond then
        return beyond
    end
    if item.way == 'seats' then
        local taken = those_taken(tier, item.units)
        if #taken > 0 then
            return {'seat_taken', item.tier, taken}
        end
    elseif item.quantity > tier.free then
        return {'all_held', item.tier}
    else
        item.units, item.row = find_some(tier, item)
    end
    if item.units == false then
        return {'none_together', item.tier}
    elseif not item.units then
        return {'broken', 'fewer free bits than `stock` or `runs` count in ' .. item.tier}
    end
end

local ms_texts = {} -- writing a number costs as much as a command, and most requests of a batch have the same times

local function ms_text(ms)
    ms_texts[ms] = ms_texts[ms] or tostring(ms)
    return ms_texts[ms]
end

-- What the batch writes, as arguments of the commands that do.
local records, due, claims, shopping, insiders, used_turns = {}, {}, {}, {}, {}, {}

local function hold(request, session_end)
    local texts = {}
    for index, item in ipairs(request.items) do
        keep_found(tier_of(item.tier), item.units, item.row)
        texts[index] = item.tier .. '=' .. table.concat(item.units, ',')
    end
    local id, number, over_ms = request.hold, request.number, now_ms + request.ttl_ms
    local over, session = ms_text(over_ms), ms_text(math.max(session_end or now_ms + request.session_ms, over_ms))
    local record = hold_text({state = 'held', number = number, expires_ms = over, units = table.concat(texts, ';')})
    local odd, even = #records + 1, #records + 2
    records[odd], records[even] = id, record
    due[odd], due[even] = over, id
    claims[odd], claims[even] = number, id
    shopping[odd], shopping[even] = session, number
    insiders[#insiders + 1] = number
    used_turns[#used_turns + 1] = not session_end and number or nil
    answers_added[request.key], records_added[id], claims_added[number] = request.fingerprint .. id, record, true
    return {'taken', id, record}
end

local function take(index, request)
    local known = answered(index, request)
    if known then
        return known
    end
    local why, session_end = barred(index, request.number)
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

local function write()
    for key, answer in pairs(answers_added) do
        redis.call('SET', key, answer, 'EX', ARGV[1])
    end
    redis.call('HSET', K.holds, unpack(records))
    redis.call('ZADD', K.due, unpack(due))
    redis.call('HSET', K.claims, unpack(claims))
    redis.call('ZADD', K.shopping, unpack(shopping))
    moved(unpack(insiders))
    if #used_turns > 0 then
        redis.call('ZREM', K.turns, unpack(used_turns))
        turns_resolved(used_turns, false)
    end
    write_found()
end

local answers = {'answered'}
for index, request in ipairs(requests) do
    answers[index + 1] = take(index, request)
end
if #records > 0 then
    write()
end
return answers
