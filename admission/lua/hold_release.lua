-- Gives a hold back: its units are free at once.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 rows  10 runs  11 held
-- ARGV
--   1 hold  2 number
-- Returns
--   not_loaded             Redis was lost
--   released hold record   its units are free
--   already_released       it ended before
--   frozen                 an order is being written or has the units: cancel that
--   not_found              there is no such hold of that number
-- Invariant: a unit is freed once.
-- Repeat: safe; the second call finds it released.
-- Cost: O(units of the hold).
assert(#KEYS == 11 and #ARGV == 2, 'hold_release takes 11 keys and 2 arguments')

local hold = hold_read(ARGV[1])
if not hold or hold.number ~= ARGV[2] then
    return {'not_found'}
end
if hold.state == 'frozen' or hold.state == 'committed' then
    return {'frozen'}
end
if hold.state ~= 'held' then
    return {'already_released'}
end
units_leave(hold.units, all_return)
hold_end(hold, 'released')
return {'released', hold.id, hold_text(hold)}
