-- Says that a process is here which may write to Stripe, and looks at what is left of the budget.
--
-- KEYS
--   1 epoch  2 clock_offset  3 budget  4 spenders
-- ARGV
--   1 limit (writes/s)  2 process
-- Returns
--   seen remaining factor processes   whole writes that are there now; the share of the limit that is spent (millionths);
--     processes that were here within SPENDER_MS, this one included
-- Invariant: spends nothing.
-- Repeat: safe.
-- Cost: O(log processes + processes that are gone).
assert(#KEYS == 4 and #ARGV == 2, 'stripe_budget_look takes 4 keys and 2 arguments')

local SPENDER_MS = 60000

redis.call('ZADD', K.spenders, now_ms, ARGV[2])
redis.call('ZREMRANGEBYSCORE', K.spenders, '-inf', '(' .. now_ms - SPENDER_MS)
redis.call('EXPIRE', K.spenders, BUDGET_TTL_S)
local budget = budget_read(tonumber(ARGV[1]))
local remaining = now_ms < budget.paused_ms and 0 or math.floor((budget.level + budget.floor) / ONE)
return {'seen', remaining, math.floor(budget.factor), redis.call('ZCARD', K.spenders)}
