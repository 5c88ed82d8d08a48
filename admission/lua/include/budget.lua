-- Included where Stripe's write budget is read or spent. The rule, its bounds and why it needs no queue are in
-- src/stripe_budget.rs. Writes and factors are in millionths. What comes in is counted by the microsecond: by the millisecond,
-- a window could begin at the end of one and end at the beginning of another, and have a millisecond's writes too many.
local ONE = 1000000 -- one write, and the whole of the limit
local BURST_MIN = 4 * ONE
local BURST_SHARE = 5 -- the burst is a fifth of a second's writes
local FLOOR_OF_BURST = 5 -- of which again a fifth is set aside for captures
local CAPTURE_SHARE = 2 -- captures are sure of half of what comes in
local RISE_PER_MS = 50 -- 0.05 a second
local IDLE_MAX_MS = 60000
local BUDGET_TTL_S = 3600

local now_us = now_ms * 1000 + beyond_us

-- What is there now, after what came in since it was last looked at.
local function budget_read(limit)
    local at_us, level, floor, factor, paused_ms, cut_ms =
        unpack(redis.call('HMGET', K.budget, 'at_us', 'level', 'floor', 'factor', 'paused_ms', 'cut_ms'))
    local burst = math.max(BURST_MIN, math.floor(limit * ONE / BURST_SHARE))
    local floor_max = math.max(ONE, math.floor(burst / FLOOR_OF_BURST))
    local budget = {
        level_max = burst - floor_max,
        level = math.min(burst - floor_max, tonumber(level or burst)),
        floor = math.min(floor_max, tonumber(floor or burst)),
        factor = tonumber(factor or ONE),
        paused_ms = tonumber(paused_ms or 0),
        cut_ms = tonumber(cut_ms or 0),
    }
    -- A clock that went back pays nothing for it, and goes on from where it is.
    local since_us = math.max(tonumber(at_us or now_us), budget.paused_ms * 1000)
    local elapsed_us = math.max(0, math.min(now_us - since_us, IDLE_MAX_MS * 1000))
    budget.factor = math.min(ONE, budget.factor + RISE_PER_MS * elapsed_us / 1000)
    budget.per_ms = math.max(1, math.floor(limit * budget.factor / 1000))
    local earned = math.floor(elapsed_us * budget.per_ms / 1000)
    local set_aside = math.min(floor_max - budget.floor, math.floor(earned / CAPTURE_SHARE))
    budget.floor = budget.floor + set_aside
    budget.level = math.min(budget.level_max, budget.level + earned - set_aside)
    return budget
end

local function budget_write(budget)
    redis.call('HSET', K.budget, 'at_us', now_us, 'level', budget.level, 'floor', budget.floor, 'factor', budget.factor,
        'paused_ms', budget.paused_ms, 'cut_ms', budget.cut_ms)
    redis.call('EXPIRE', K.budget, BUDGET_TTL_S)
end
