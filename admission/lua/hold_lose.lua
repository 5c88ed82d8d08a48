-- Ends a frozen hold that Postgres refused: by a tombstone, or because it does not have some of the units to give.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 rows  10 runs  11 held
-- ARGV
--   1 hold  2 units that Postgres does not have free (`tier=0,1;tier=7`, or empty)
-- Returns
--   not_loaded         Redis was lost
--   released           its units are free, save those that Postgres does not have
--   already_released   it ended before
--   not_found          there is no such hold, or it is not frozen
-- Invariant: a unit that Postgres does not have free does not become free here.
-- Repeat: safe; the second call finds it released.
-- Cost: O(units of the hold).
assert(#KEYS == 11 and #ARGV == 2, 'hold_lose takes 11 keys and 2 arguments')

local hold = hold_read(ARGV[1])
if hold and hold.state == 'released' then
    return {'already_released'}
end
if not hold or hold.state ~= 'frozen' then
    return {'not_found'}
end
local lost = {}
each_unit(ARGV[2], function(tier, unit)
    lost[tier .. '=' .. unit] = true
end)
units_leave(hold.units, function(tier, unit)
    return not lost[tier .. '=' .. unit]
end)
hold_end(hold, 'released')
return {'released'}
