-- Included, after rows.lua, where units change hands: bits, counts, rows and the number of changes change together.

local SPAN_MAX = 32 -- the bits that the bit library counts

local function ones(bits)
    local count = 0
    while bits ~= 0 do
        bits, count = bit.band(bits, bits - 1), count + 1
    end
    return count
end

-- Sets the bits of a tier's units to 0 or 1, those side by side at once; says how many were not so before.
local function set_units(key, base, units, value)
    local operations, lengths, index, changed = {}, {}, 1, 0
    while index <= #units do
        local length, unit = 1, units[index]
        while length < SPAN_MAX and units[index + length] == unit + length do
            length = length + 1
        end
        local at = 4 * #lengths
        operations[at + 1], operations[at + 2] = 'SET', 'u' .. length
        operations[at + 3], operations[at + 4] = base + unit, value == 0 and '0' or 2 ^ length - 1
        lengths[#lengths + 1], index = length, index + length
    end
    for span, was in ipairs(#units > 0 and redis.call('BITFIELD', key, unpack(operations)) or {}) do
        changed = changed + (value == 0 and ones(was) or lengths[span] - ones(was))
    end
    return changed
end

-- Free units of a tier are held; `rows` is the set of their rows, where the caller knows it.
local function units_held(tier, base, units, rows)
    set_units(K.free, base, units, 0)
    set_units(K.held, base, units, 1)
    redis.call('HINCRBY', K.stock, 'free:' .. tier, -#units)
    redis.call('HINCRBY', K.stock, 'held:' .. tier, #units)
    rows_changed(tier, base, units, rows)
end

-- Units become free, whoever had them: tier → units. One that is free already is not counted again.
local function units_freed(units_of)
    for tier, units in pairs(units_of) do
        local base = tonumber(redis.call('HGET', K.tiers, tier))
        redis.call('HINCRBY', K.stock, 'free:' .. tier, set_units(K.free, base, units, 1))
        rows_changed(tier, base, units)
    end
end
