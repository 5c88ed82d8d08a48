-- Gives a visitor the next number, or the number the visitor already has.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 reserved  5 visitors  6 line  7 live  8 heard:0  9 heard:1  10 heard:2  11 heard:3
--   12 pace  13 granted  14 turns  15 shopping
-- ARGV
--   1 the holder's field in `visitors` (bytes)  2 how long `visitors` is kept (s)  3 the number that the holder's place
--   token proves, or empty
-- Returns
--   not_loaded        Redis was lost
--   joined number     a new place, at the end of the line
--   existing number   the holder's live place
--   reserve           every reserved number is out; reserve more in Postgres, raise the mark, call again
-- Invariant: a number is handed out once, and only up to `reserved`. I9: `visitors` is not rebuilt with the rest, so after
-- a loss of Redis the proof is what finds a place again.
-- Repeat: safe; the second call finds the place of the first and answers existing.
-- Cost: O(1), at most 17 commands.
assert(#KEYS == 15 and #ARGV == 3, 'queue_join takes 15 keys and 3 arguments')

local slot = tonumber(redis.call('HGET', KEYS[12], 'slot'))

local function heard(number)
    redis.call('SETBIT', KEYS[7], number, 1)
    redis.call('SETBIT', KEYS[8 + slot % 4], number, 1)
end

local function has_place(number)
    return redis.call('GETBIT', KEYS[6], number) == 1
        or redis.call('ZSCORE', KEYS[13], number)
        or redis.call('ZSCORE', KEYS[14], number)
        or redis.call('ZSCORE', KEYS[15], number)
end

local function remember(number)
    redis.call('HSET', KEYS[5], ARGV[1], number)
    redis.call('EXPIRE', KEYS[5], ARGV[2])
end

local known = redis.call('HGET', KEYS[5], ARGV[1])
local number = known or ARGV[3]
if number ~= '' and has_place(number) then
    if not known then
        remember(number)
    end
    heard(number)
    return {'existing', tonumber(number)}
end

local last = tonumber(redis.call('GET', KEYS[3]))
if last >= tonumber(redis.call('GET', KEYS[4])) then
    return {'reserve'}
end
number = redis.call('INCR', KEYS[3])
remember(number)
redis.call('SETBIT', KEYS[6], number, 1)
heard(number)
return {'joined', number}
