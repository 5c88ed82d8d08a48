-- Puts units back on sale that Postgres freed: of an order that expired, was cancelled or refunded, or that were withheld.
--
-- KEYS
--   1 epoch  2 clock_offset  3 free  4 tiers  5 stock  6 request  7 rows  8 runs  9 held
-- ARGV
--   1 epoch in which Postgres freed them  2 how long the request is remembered (s)  3 units (`tier=0,1;tier=7`)
--   4 ordered or withheld: what they were
-- Returns
--   not_loaded         Redis was lost, or has not been loaded with that epoch yet
--   returned           they are free
--   already_returned   this request returned them before
--   stale_epoch        Redis was rebuilt since, from a Postgres that had them free
--   held_still         some are in a live hold: that of the order they were freed of, whose commit was lost. Nothing
--                      changed: free now, they would be held anew, and its late commit would take them from that hold
-- Invariant: units are returned once per request, and none while a hold has it.
-- Repeat: safe; the second call finds the request. One that found them held is forgotten: ask again when the sweep has
-- ended the hold.
-- Cost: O(units), bounded by the caller (RETURN_MAX).
assert(#KEYS == 9 and #ARGV == 4, 'units_return takes 9 keys and 4 arguments')

local function any_held(tier, units)
    local base = tonumber(redis.call('HGET', K.tiers, tier))
    for _, unit in ipairs(units) do
        if redis.call('GETBIT', K.held, base + unit) == 1 then
            return true
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
for tier, units in pairs(back) do
    if any_held(tier, units) then
        return {'held_still'}
    end
end
units_freed(back)
if ARGV[4] == 'withheld' then
    for tier, units in pairs(back) do
        redis.call('HINCRBY', K.stock, 'all:' .. tier, #units)
    end
end
redis.call('SET', K.request, 'returned', 'EX', ARGV[2])
return {'returned'}
