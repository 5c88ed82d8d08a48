-- Gives a hold more time: its TTL once more on top of what is left, within three bounds.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 paused  6 shopping  7 pace  8 request
-- ARGV
--   1 hold  2 number  3 TTL (ms)  4 the longest it may last from now on (ms)  5 the most extensions of a hold
--   6 how long the request is remembered (s)
-- Returns
--   not_loaded             Redis was lost
--   extended hold record   it lasts longer
--   replayed hold record   the request was answered before: its hold, as it is now
--   used_up                it was extended as often as it may be
--   longest                it lasts as long as it may: by its own bound, or to the end of the session
--   committed              its order has the units, and a clock of its own
--   expired                its time ran out, or it was given back
--   not_found              there is no such hold of that number
-- Invariant: a hold never gets shorter, and outlives neither its bound nor its session; a refusal uses no extension up.
-- Repeat: safe; the request is found again, and the hold extended once.
-- Cost: O(log n).
assert(#KEYS == 8 and #ARGV == 6, 'hold_extend takes 8 keys and 6 arguments')

local GAIN_MIN_MS = 1000 -- less is not worth an extension: nobody would see it on a clock

local hold = hold_read(ARGV[1])
if not hold or hold.number ~= ARGV[2] then
    return {'not_found'}
end
if redis.call('EXISTS', K.request) == 1 then
    return {'replayed', hold.id, hold_text(hold)}
end
if hold.state == 'committed' then
    return {'committed'}
end
local clock = clock_ms()
if not hold_lives(hold) or hold.expires_ms <= clock then
    return {'expired'}
end
if hold.extensions >= tonumber(ARGV[5]) then
    return {'used_up'}
end
local session_end = tonumber(redis.call('ZSCORE', K.shopping, hold.number) or 0)
local until_ms = math.min(hold.expires_ms + ARGV[3], clock + ARGV[4], session_end)
if until_ms - hold.expires_ms < GAIN_MIN_MS then
    return {'longest'}
end
hold.extensions = hold.extensions + 1
hold_lasts(hold, until_ms)
redis.call('SET', K.request, 'extended', 'EX', ARGV[6])
return {'extended', hold.id, hold_text(hold)}
