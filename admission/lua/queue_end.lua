-- Ends a turn or a shopping session before its time; the slot is free at once.
--
-- KEYS
--   1 epoch  2 clock_offset  3 turns  4 shopping  5 charges  6 pace  7 totals  8 events  9 moved
-- ARGV
--   1 number
-- Returns
--   not_loaded   Redis was lost
--   ended        the number was inside and is not any more
--   not_inside   the number was not inside
-- Invariant: the number does not come back into the line.
-- Repeat: safe.
-- Cost: O(log n).
assert(#KEYS == 9 and #ARGV == 1, 'queue_end takes 9 keys and 1 argument')

local number = ARGV[1]
local had_turn = redis.call('ZREM', K.turns, number)
if had_turn + redis.call('ZREM', K.shopping, number) == 0 then
    return {'not_inside'}
end
moved(number)
if had_turn > 0 then
    turns_resolved({number}, true)
end
redis.call('HINCRBY', K.totals, 'expired', 1)
record('ended', number)
return {'ended'}
