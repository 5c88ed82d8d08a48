-- Puts units back on sale that Postgres freed: of an order that expired, was cancelled or refunded.
--
-- KEYS
--   1 epoch  2 clock_offset  3 free  4 tiers  5 stock  6 request  7 rows  8 runs
-- ARGV
--   1 epoch in which Postgres freed them  2 how long the request is remembered (s)  3 units (`tier=0,1;tier=7`)
-- Returns
--   not_loaded         Redis was lost, or has not been loaded with that epoch yet
--   returned           they are free
--   already_returned   this request returned them before
--   stale_epoch        Redis was rebuilt since, from a Postgres that had them free
-- Invariant: units are returned once per request.
-- Repeat: safe; the second call finds the request.
-- Cost: O(units), bounded by the caller (RETURN_MAX).
assert(#KEYS == 8 and #ARGV == 3, 'units_return takes 8 keys and 3 arguments')

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
units_freed(back)
redis.call('SET', K.request, 'returned', 'EX', ARGV[2])
return {'returned'}
