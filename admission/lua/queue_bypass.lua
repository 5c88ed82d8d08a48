-- Grants a turn to a number that waits, before those ahead of it: an organizer's decision, which is logged.
--
-- KEYS
--   1 epoch  2 clock_offset  3 paused  4 line  5 granted  6 turns  7 shopping  8 charges  9 pace  10 totals  11 events
--   12 stock
-- ARGV
--   1 number
-- Returns
--   not_loaded    Redis was lost
--   granted       the next tick delivers the turn
--   not_waiting   the number is not in line
--   full          the last tick's cap is reached, nothing is free, or the sale stands still
-- Invariant: cap and stock hold as for every grant. The bucket pays for it, into debt if need be: the line waits longer.
-- Repeat: safe; the second call does not find the number in line.
-- Cost: O(tiers).
assert(#KEYS == 12 and #ARGV == 1, 'queue_bypass takes 12 keys and 1 argument')

local number = ARGV[1]
if redis.call('GETBIT', K.line, number) == 0 then
    return {'not_waiting'}
end
local cap, overbook = unpack(redis.call('HMGET', K.pace, 'cap', 'overbook'))
local free = units_free()
local has_room = cap and inside() < tonumber(cap) and free > 0 and turns_out() < free + overbook
if not has_room or redis.call('EXISTS', K.paused) == 1 then
    return {'full'}
end
local cost = turn_cost()
let_in(number, cost)
settle(cost)
redis.call('HINCRBY', K.totals, 'admitted', 1)
record('bypassed', number)
return {'granted'}
