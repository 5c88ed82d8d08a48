-- Marks everyone a gateway heard from since its last call as live.
--
-- KEYS
--   1 epoch  2 clock_offset  3 line  4 age:0  5 age:1  6 age:2  7 kept  8 pace  9 scratch:0  10 scratch:1
-- ARGV
--   1 offset of the bitmap (bytes)  2 bitmap, a bit a number
-- Returns
--   not_loaded   Redis was lost
--   heard        marked
-- Invariant: a number is live from now for 15 to 17.5 s. Who was silent in line and is heard is counted as returned.
-- Repeat: safe; bits are only set.
-- Cost: 9 passes over highest number / 8 bytes, whatever the number of visitors heard; 15 when a slot begins.
assert(#KEYS == 10 and #ARGV == 2, 'queue_heard takes 10 keys and 2 arguments')

grow_old()
redis.call('SETRANGE', K.scratch_0, ARGV[1], ARGV[2])
live_into(K.scratch_1)
for _, key in ipairs({K.age_0, K.age_1, K.age_2}) do
    redis.call('BITOP', 'OR', key, key, K.scratch_0)
end
redis.call('BITOP', 'AND', K.scratch_0, K.scratch_0, K.line)
redis.call('BITOP', 'AND', K.scratch_1, K.scratch_1, K.scratch_0)
redis.call('BITOP', 'XOR', K.scratch_1, K.scratch_1, K.scratch_0)
local returned = redis.call('BITCOUNT', K.scratch_1)
if returned > 0 then
    came_back(returned, redis.call('BITPOS', K.scratch_1, 1))
end
redis.call('DEL', K.scratch_0, K.scratch_1)
return {'heard'}
