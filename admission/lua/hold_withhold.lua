-- Takes free units of a tier for nobody, so that Postgres may keep them back: a hold without a pass, frozen from its beginning.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 free  6 tiers  7 stock  8 pace  9 request  10 rows  11 runs  12 held
-- ARGV
--   1 hold  2 tier  3 last or seats: the way  4 how many, from the end, or units (`3,4,9`), each once
--   5 how long Postgres may take (ms)  6 when the sweep asks first what became of it (ms)  7 how long the request is
--   remembered (s)
-- Returns
--   not_loaded                Redis was lost
--   taken epoch hold record   nobody else can hold the units; taken now, or by the same request before
--   reclaiming s              Redis was lost: for so long free units may be somebody's who has a receipt
--   too_few free              fewer units are free than asked for
--   seat_taken [units …]      of the units asked for, those that are not free
-- Invariant: I1; no unit of a live hold is touched; free + held of a tier changes in no hold.
-- Repeat: safe; the request's hold is found again, unless it ended without a verdict of Postgres' on its units.
-- Cost: O(units asked for); the way last passes over the tier's bitmap once, ≤ 16 KiB.
assert(#KEYS == 12 and #ARGV == 7, 'hold_withhold takes 12 keys and 7 arguments')

local hold_id, tier, way, wanted = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local earlier = redis.call('GET', K.request)
local first = earlier and hold_read(earlier)
if first and (hold_lives(first) or first.state == 'committed') then
    return {'taken', epoch, first.id, hold_text(first)}
end
local reclaiming_ms = (redis.call('HGET', K.pace, 'reclaim_until_ms') or 0) - now_ms
if reclaiming_ms > 0 then
    return {'reclaiming', math.ceil(reclaiming_ms / 1000)}
end
local base = tonumber(redis.call('HGET', K.tiers, tier))

local function last_free(quantity)
    local bytes, found = redis.call('GETRANGE', K.free, base / 8, (base + TIER_BITS) / 8 - 1), {}
    for index = #bytes, 1, -1 do
        local byte = string.byte(bytes, index)
        for place = byte == 0 and -1 or 7, 0, -1 do
            if #found < quantity and bit.band(byte, bit.rshift(128, place)) ~= 0 then
                found[#found + 1] = (index - 1) * 8 + place
            end
        end
    end
    return found
end

local units = {}
if way == 'last' then
    local free = tonumber(redis.call('HGET', K.stock, 'free:' .. tier))
    if free < tonumber(wanted) then
        return {'too_few', free}
    end
    units = last_free(tonumber(wanted))
    if #units < tonumber(wanted) then
        return {'too_few', #units} -- the bits say so, whatever is counted
    end
else
    local taken = {}
    for unit in string.gmatch(wanted, '%d+') do
        units[#units + 1] = tonumber(unit)
        if tonumber(unit) >= TIER_BITS or redis.call('GETBIT', K.free, base + unit) == 0 then
            taken[#taken + 1] = tonumber(unit)
        end
    end
    if #taken > 0 then
        return {'seat_taken', taken}
    end
end

units_held(tier, base, units)
local text = tier .. '=' .. table.concat(units, ',')
local hold = {id = hold_id, state = 'frozen', number = NOBODY, expires_ms = now_ms + ARGV[5], units = text}
hold_write(hold, now_ms + ARGV[6])
redis.call('SET', K.request, hold_id, 'EX', ARGV[7])
return {'taken', epoch, hold_id, hold_text(hold)}
