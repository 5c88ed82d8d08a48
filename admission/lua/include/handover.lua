-- Included, after rows.lua, where units change hands: the bit, the count and the row change together.

-- Free units of a tier are held.
local function units_held(tier, base, units)
    for _, unit in ipairs(units) do
        redis.call('SETBIT', K.free, base + unit, 0)
    end
    redis.call('HINCRBY', K.stock, 'free:' .. tier, -#units)
    redis.call('HINCRBY', K.stock, 'held:' .. tier, #units)
    rows_changed(tier, base, units)
end

-- Units become free, whoever had them: tier → units. One that is free already is not counted again.
local function units_freed(units_of)
    for tier, units in pairs(units_of) do
        local base, freed = tonumber(redis.call('HGET', K.tiers, tier)), 0
        for _, unit in ipairs(units) do
            freed = freed + 1 - redis.call('SETBIT', K.free, base + unit, 1)
        end
        redis.call('HINCRBY', K.stock, 'free:' .. tier, freed)
        rows_changed(tier, base, units)
    end
end
