-- Keeps a hold from expiring while its order is written to Postgres. From here on Postgres decides.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 paused  6 shopping  7 pace
-- ARGV
--   1 hold  2 number  3 how long before the sweep asks Postgres (ms)
-- Returns
--   not_loaded              Redis was lost
--   frozen hold record      frozen now, or frozen before and still
--   committed hold record   its order is there already
--   expired                 its time ran out, or it was given back
--   not_found               there is no such hold of that number
-- Invariant: a frozen hold is freed only after Postgres has its tombstone.
-- Repeat: safe; a frozen hold stays frozen and its time is not moved again.
-- Cost: O(log n).
assert(#KEYS == 7 and #ARGV == 3, 'hold_freeze takes 7 keys and 3 arguments')

local hold = hold_read(ARGV[1])
if not hold or hold.number ~= ARGV[2] then
    return {'not_found'}
end
if hold.state == 'frozen' or hold.state == 'committed' then
    return {hold.state, hold.id, hold_text(hold)}
end
if hold.state ~= 'held' or hold.expires_ms <= clock_ms() then
    return {'expired'}
end
hold.state, hold.expires_ms = 'frozen', now_ms + ARGV[3]
hold_write(hold, hold.expires_ms)
if tonumber(redis.call('ZSCORE', K.shopping, hold.number) or 0) < hold.expires_ms then
    redis.call('ZADD', K.shopping, 'XX', hold.expires_ms, hold.number)
end
return {'frozen', hold.id, hold_text(hold)}
