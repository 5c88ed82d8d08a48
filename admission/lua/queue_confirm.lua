-- Starts the claim windows of granted turns that are in Postgres now.
--
-- KEYS
--   1 epoch  2 clock_offset  3 granted  4 turns
-- ARGV
--   1 claim window (ms)  2… numbers
-- Returns
--   not_loaded        Redis was lost
--   confirmed count   how many turns began
-- Invariant: a turn is shown, and its window runs, only after Postgres has it.
-- Repeat: safe; a number leaves `granted` once.
-- Cost: O(numbers · log n), numbers bounded by the caller (CONFIRM_MAX).
assert(#KEYS == 4 and #ARGV >= 2, 'queue_confirm takes 4 keys and 2 or more arguments')

local confirmed = 0
for index = 2, #ARGV do
    if redis.call('ZREM', KEYS[3], ARGV[index]) == 1 then
        redis.call('ZADD', KEYS[4], now_ms + ARGV[1], ARGV[index])
        confirmed = confirmed + 1
    end
end
return {'confirmed', confirmed}
