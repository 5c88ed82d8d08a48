-- Marks everyone a gateway heard from since its last call as live.
--
-- KEYS
--   1 epoch  2 clock_offset  3 pace  4 live  5 heard:0  6 heard:1  7 heard:2  8 heard:3  9 scratch
-- ARGV
--   1 offset of the bitmap (bytes)  2 bitmap, a bit a number
-- Returns
--   not_loaded   Redis was lost
--   heard        marked
-- Invariant: a number is live from now for three to four slots (15 to 20 s).
-- Repeat: safe; bits are only set.
-- Cost: O(highest number / 8) bytes, whatever the number of visitors heard; ~20 µs a million numbers.
assert(#KEYS == 9 and #ARGV == 2, 'queue_heard takes 9 keys and 2 arguments')

local current = KEYS[5 + tonumber(redis.call('HGET', KEYS[3], 'slot')) % 4]
redis.call('SETRANGE', KEYS[9], ARGV[1], ARGV[2])
redis.call('BITOP', 'OR', current, current, KEYS[9])
redis.call('BITOP', 'OR', KEYS[4], KEYS[4], KEYS[9])
redis.call('DEL', KEYS[9])
return {'heard'}
