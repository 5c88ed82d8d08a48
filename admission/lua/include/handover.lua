-- Included, after rows.lua, where units change hands: bits, counts, rows and the number of changes change together.

-- Sets the bits of a tier's units; says how many were not so before.
local function set_units(key, base, units, bit)
    local operations = {}
    for _, unit in ipairs(units) do
        operations[#operations + 1] = 'SET'
        operations[#operations + 1] = 'u1'
        operations[#operations + 1] = base + unit
        operations[#operations + 1] = bit
    end
    local changed = 0
    for _, was in ipairs(#units > 0 and redis.call('BITFIELD', key, unpack(operations)) or {}) do
        changed = changed + math.abs(bit - was)
    end
    return changed
end

-- Free units of a tier are held.
local function units_held(tier, base, units)
    set_units(K.free, base, units, 0)
    set_units(K.held, base, units, 1)
    redis.call('HINCRBY', K.stock, 'free:' .. tier, -#units)
    redis.call('HINCRBY', K.stock, 'held:' .. tier, #units)
    rows_changed(tier, base, units)
end

-- Units become free, whoever had them: tier → units. One that is free already is not counted again.
local function units_freed(units_of)
    for tier, units in pairs(units_of) do
        local base = tonumber(redis.call('HGET', K.tiers, tier))
        redis.call('HINCRBY', K.stock, 'free:' .. tier, set_units(K.free, base, units, 1))
        rows_changed(tier, base, units)
    end
end
