-- Marks a hold as being ordered: from here on only Postgres says how it ends. Its own time goes on as it was.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 paused  6 shopping  7 pace  8 moved
-- ARGV
--   1 hold  2 number  3 how long the order may take before the sweep asks Postgres about it (ms)
-- Returns
--   not_loaded              Redis was lost
--   frozen hold record      frozen now, or frozen before and still
--   committed hold record   its order is there already
--   expired                 its time ran out, or it was given back
--   not_found               there is no such hold of that number
-- Invariant: a frozen hold is freed only after Postgres has its tombstone, and not before its own time is over.
-- Repeat: safe; a frozen hold stays frozen. While its own time runs, the sweep waits for the new order, too.
-- Cost: O(log n).
assert(#KEYS == 8 and #ARGV == 3, 'hold_freeze takes 8 keys and 3 arguments')

local hold = hold_read(ARGV[1])
if not hold or hold.number ~= ARGV[2] then
    return {'not_found'}
end
local is_over = hold.expires_ms <= clock_ms()
if hold.state == 'committed' or (hold.state == 'frozen' and is_over) then
    return {hold.state, hold.id, hold_text(hold)}
end
if is_over or not hold_lives(hold) then
    return {'expired'}
end
local ask_ms = now_ms + ARGV[3]
hold.state = 'frozen'
hold_write(hold, ask_ms)
local session_needed_ms = math.max(hold.expires_ms, ask_ms)
if tonumber(redis.call('ZSCORE', K.shopping, hold.number) or 0) < session_needed_ms then
    redis.call('ZADD', K.shopping, 'XX', session_needed_ms, hold.number)
    moved(hold.number)
end
return {'frozen', hold.id, hold_text(hold)}
