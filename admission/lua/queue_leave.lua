-- Takes a visitor out of the sale, wherever the visitor is: in line, with a turn or shopping.
--
-- KEYS
--   1 epoch  2 clock_offset  3 line  4 left  5 granted  6 turns  7 shopping  8 charges  9 pace  10 totals  11 events
--   12 moved  13 visitors
-- ARGV
--   1 number  2 the holder's field in `visitors` (bytes)
-- Returns
--   not_loaded   Redis was lost
--   left         the place is given up; the holder's next join gets a new number
--   not_here     the number has no place to leave
-- Invariant: a number that left is never admitted.
-- Repeat: safe; who left stays left.
-- Cost: O(log n), at most 22 commands.
assert(#KEYS == 13 and #ARGV == 2, 'queue_leave takes 13 keys and 2 arguments')

local number = ARGV[1]
if redis.call('GETBIT', K.left, number) == 1 then
    return {'left'}
end
local waited = redis.call('SETBIT', K.line, number, 0)
local had_turn = redis.call('ZREM', K.granted, number) + redis.call('ZREM', K.turns, number)
local shopped = redis.call('ZREM', K.shopping, number)
if waited + had_turn + shopped == 0 then
    return {'not_here'}
end
if had_turn + shopped > 0 then
    moved(number)
end
if had_turn > 0 then
    turns_resolved({number}, true)
end
redis.call('SETBIT', K.left, number, 1)
redis.call('HINCRBY', K.totals, 'left', 1)
record('left', number)
if redis.call('HGET', K.visitors, ARGV[2]) == number then
    redis.call('HDEL', K.visitors, ARGV[2])
end
return {'left'}
