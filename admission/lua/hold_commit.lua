-- Closes a hold whose order is in Postgres, or whose units are withheld there: they leave `held` for good.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 rows  10 runs  11 held
-- ARGV
--   1 hold
-- Returns
--   not_loaded          Redis was lost
--   committed           the units are the order's, or withheld
--   already_committed   they were before
--   not_found           there is no such hold, or it ended otherwise
-- Invariant: a unit leaves `held` once. A hold still `held` commits too: Postgres has the order, whatever Redis forgot.
-- Repeat: safe; the second call finds it committed.
-- Cost: O(units of the hold).
assert(#KEYS == 11 and #ARGV == 1, 'hold_commit takes 11 keys and 1 argument')

local hold = hold_read(ARGV[1])
if hold and hold.state == 'committed' then
    return {'already_committed'}
end
if not hold or (hold.state ~= 'frozen' and hold.state ~= 'held') then
    return {'not_found'}
end
units_leave(hold.units, none_returns)
if hold.number == NOBODY then
    local withheld = {}
    each_unit(hold.units, function(tier)
        withheld[tier] = (withheld[tier] or 0) + 1
    end)
    for tier, units in pairs(withheld) do
        redis.call('HINCRBY', K.stock, 'all:' .. tier, -units)
    end
end
hold_end(hold, 'committed')
return {'committed'}
