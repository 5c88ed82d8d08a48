-- Puts units back on sale that Postgres freed: of an order that expired or was cancelled, or that were withheld.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 request  10 rows  11 runs  12 held
-- ARGV
--   1 epoch in which Postgres freed them  2 how long the request is remembered (s)  3 units (`tier=0,1;tier=7`)
--   4 ordered or withheld: what they were
-- Returns
--   not_loaded         Redis was lost, or has not been loaded with that epoch yet
--   returned           they are free
--   mended             the same, and some were marked as held by no live hold: the marks are gone, and what is held of their
--                      tiers is counted anew
--   already_returned   this request returned them before
--   stale_epoch        Redis was rebuilt since, from a Postgres that had them free
--   held_still         some are in a live hold: that of the order they were freed of, whose commit was lost. Nothing
--                      changed: free now, they would be held anew, and its late commit would take them from that hold
-- Invariant: units are returned once per request, and none while a hold has it. A mark without a hold keeps none off sale.
-- Repeat: safe; the second call finds the request. One that found them held is forgotten: ask again when the sweep has
-- ended the hold.
-- Cost: O(units), bounded by the caller (RETURN_MAX); where some are marked as held, O(live holds × their units) more.
assert(#KEYS == 12 and #ARGV == 4, 'units_return takes 12 keys and 4 arguments')

local function base_of(tier)
    return tonumber(redis.call('HGET', K.tiers, tier))
end

-- Those that are marked as held: tier → units.
local function marked_of(units_of)
    local marked = {}
    for tier, units in pairs(units_of) do
        local base = base_of(tier)
        for _, unit in ipairs(units) do
            if redis.call('GETBIT', K.held, base + unit) == 1 then
                marked[tier] = marked[tier] or {}
                table.insert(marked[tier], unit)
            end
        end
    end
    return marked
end

-- What live holds have: tier → unit → true, and tier → how many.
local function held_by_holds()
    local held, counts = {}, {}
    each_claim(function(_, id, record)
        local hold = record ~= '' and hold_of_text(id, record)
        if hold and hold_lives(hold) then
            each_unit(hold.units, function(tier, unit)
                held[tier] = held[tier] or {}
                held[tier][unit] = true
                counts[tier] = (counts[tier] or 0) + 1
            end)
        end
    end)
    return held, counts
end

local function any_of(held, units_of)
    for tier, units in pairs(units_of) do
        for _, unit in ipairs(units) do
            if held[tier] and held[tier][unit] then
                return true
            end
        end
    end
    return false
end

if tonumber(ARGV[1]) > tonumber(epoch) then
    return {'not_loaded'}
end
if tonumber(ARGV[1]) < tonumber(epoch) then
    return {'stale_epoch'}
end
if redis.call('EXISTS', K.request) == 1 then
    return {'already_returned'}
end
local back = {}
each_unit(ARGV[3], function(tier, unit)
    back[tier] = back[tier] or {}
    table.insert(back[tier], unit)
end)
local marked = marked_of(back)
if next(marked) then
    local held, counts = held_by_holds()
    if any_of(held, back) then
        return {'held_still'}
    end
    for tier, units in pairs(marked) do
        set_units(K.held, base_of(tier), units, 0)
        redis.call('HSET', K.stock, 'held:' .. tier, counts[tier] or 0)
    end
end
units_freed(back)
if ARGV[4] == 'withheld' then
    for tier, units in pairs(back) do
        redis.call('HINCRBY', K.stock, 'all:' .. tier, #units)
    end
end
redis.call('SET', K.request, 'returned', 'EX', ARGV[2])
if next(marked) then
    return {'mended'}
end
return {'returned'}
