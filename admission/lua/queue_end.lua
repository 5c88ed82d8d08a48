-- Ends a turn or a shopping session before its time; the slot is free at once.
--
-- KEYS
--   1 epoch  2 clock_offset  3 turns  4 shopping
-- ARGV
--   1 number
-- Returns
--   not_loaded   Redis was lost
--   ended        the number was inside and is not any more
--   not_inside   the number was not inside
-- Invariant: the number does not come back into the line.
-- Repeat: safe.
-- Cost: O(log n).
assert(#KEYS == 4 and #ARGV == 1, 'queue_end takes 4 keys and 1 argument')

local ended = redis.call('ZREM', KEYS[3], ARGV[1]) + redis.call('ZREM', KEYS[4], ARGV[1])
if ended == 0 then
    return {'not_inside'}
end
return {'ended'}
