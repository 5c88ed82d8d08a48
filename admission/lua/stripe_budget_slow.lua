-- Stripe answered 429: nobody writes for a while, and then everybody less, until it has recovered.
--
-- KEYS
--   1 epoch  2 clock_offset  3 budget
-- ARGV
--   1 limit (writes/s)  2 for how long nobody writes (ms)
-- Returns
--   slowed factor   the share of the limit that is spent from now on (millionths)
-- Invariant: the share is halved at most once in CUT_EVERY_MS, so the many answers to one excess are one cut; a pause is
-- never made shorter; nothing that was saved up is left.
-- Repeat: harmless; the pause begins anew, and the share stays.
-- Cost: O(1).
assert(#KEYS == 3 and #ARGV == 2, 'stripe_budget_slow takes 3 keys and 2 arguments')

local FACTOR_MIN = 50000
local CUT_EVERY_MS = 2000

local budget = budget_read(tonumber(ARGV[1]))
budget.paused_ms = math.max(budget.paused_ms, now_ms + tonumber(ARGV[2]))
budget.level, budget.floor = 0, 0
if math.abs(now_ms - budget.cut_ms) >= CUT_EVERY_MS then
    budget.factor = math.max(FACTOR_MIN, math.floor(budget.factor / 2))
    budget.cut_ms = now_ms
end
budget_write(budget)
return {'slowed', budget.factor}
