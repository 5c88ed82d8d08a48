-- Takes a visitor out of the sale, wherever the visitor is: in line, with a turn or shopping.
--
-- KEYS
--   1 epoch  2 clock_offset  3 visitors  4 line  5 left  6 granted  7 turns  8 shopping
-- ARGV
--   1 number  2 the holder's field in `visitors` (bytes)
-- Returns
--   not_loaded   Redis was lost
--   left         the place is given up; the holder's next join gets a new number
--   not_here     the number has no place to leave
-- Invariant: a number that left is never admitted.
-- Repeat: safe; who left stays left.
-- Cost: O(log n), at most 8 commands.
assert(#KEYS == 8 and #ARGV == 2, 'queue_leave takes 8 keys and 2 arguments')

local number = ARGV[1]
if redis.call('GETBIT', KEYS[5], number) == 1 then
    return {'left'}
end
local places = redis.call('SETBIT', KEYS[4], number, 0)
for key = 6, 8 do
    places = places + redis.call('ZREM', KEYS[key], number)
end
if places == 0 then
    return {'not_here'}
end
redis.call('SETBIT', KEYS[5], number, 1)
if redis.call('HGET', KEYS[3], ARGV[2]) == number then
    redis.call('HDEL', KEYS[3], ARGV[2])
end
return {'left'}
