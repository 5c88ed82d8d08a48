-- Pauses a sale or lets it go on. A pause stops admission, new holds and the clocks of turns, sessions and holds; they go
-- on with what was left.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 turns  11 shopping
-- ARGV
--   1 paused or running
-- Returns
--   not_loaded   Redis was lost
--   done         the sale is as asked
-- Invariant: nothing of a turn, a session or a hold elapses while paused.
-- Repeat: safe; pausing keeps the first moment of the pause, resuming moves the clocks once.
-- Cost: O(inside · log n) when it resumes, once a pause.
assert(#KEYS == 11 and #ARGV == 1, 'sale_pause takes 11 keys and 1 argument')

if ARGV[1] == 'paused' then
    redis.call('SET', KEYS[9], now_ms, 'NX')
    return {'done'}
end
local paused_ms = redis.call('GET', KEYS[9])
if not paused_ms then
    return {'done'}
end
local stood_ms = math.max(0, now_ms - paused_ms)
for key = 10, 11 do
    for _, number in ipairs(redis.call('ZRANGE', KEYS[key], 0, -1)) do
        redis.call('ZINCRBY', KEYS[key], stood_ms, number)
    end
end
for _, id in ipairs(redis.call('HVALS', KEYS[5])) do
    local hold = hold_read(id)
    if hold and hold.state == 'held' then
        hold.expires_ms = hold.expires_ms + stood_ms
        hold_write(hold, hold.expires_ms)
    end
end
redis.call('DEL', KEYS[9])
return {'done'}
