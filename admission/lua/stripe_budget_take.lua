-- Takes one write to Stripe out of the account's budget, if the class may have one now.
--
-- KEYS
--   1 epoch  2 clock_offset  3 budget
-- ARGV
--   1 limit (writes/s)  2 class (urgent_capture, create, capture, cancel, refund, sweep)
-- Returns
--   granted      the write is the caller's
--   wait ms      nothing was taken; sooner than in ms there is nothing for the class
-- Invariant: in every window, writes granted ≤ limit × window + burst; captures are granted half of what comes in, if they
-- ask for it; no class takes what is kept for those before it.
-- Repeat: takes another one; a call whose reply was lost wastes one write of the budget and never makes one too many.
-- Cost: O(1).
assert(#KEYS == 3 and #ARGV == 2, 'stripe_budget_take takes 3 keys and 2 arguments')

local RANKS = {urgent_capture = 0, create = 1, capture = 2, cancel = 3, refund = 4, sweep = 5}
local RANK_LAST = 5
local WAIT_MIN_MS = 2

local class, budget = ARGV[2], budget_read(tonumber(ARGV[1]))
local may_use_floor = class == 'urgent_capture' or class == 'capture'
local needed = ONE + math.floor((budget.level_max - ONE) * RANKS[class] / RANK_LAST)
local is_paused = now_ms < budget.paused_ms

local function wait_ms()
    if is_paused then
        return budget.paused_ms - now_ms
    end
    local lacking = needed - budget.level
    if may_use_floor then
        lacking = math.min(lacking, CAPTURE_SHARE * (ONE - budget.floor))
    end
    return math.max(WAIT_MIN_MS, math.ceil(lacking / budget.per_ms))
end

local is_granted = not is_paused
if not is_paused and budget.level >= needed then
    budget.level = budget.level - ONE
elseif not is_paused and may_use_floor and budget.floor >= ONE then
    budget.floor = budget.floor - ONE
else
    is_granted = false
end
budget_write(budget)
if not is_granted then
    return {'wait', wait_ms()}
end
return {'granted'}
