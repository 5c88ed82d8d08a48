-- Included in the tick: what the pulses of all gateways say, and what follows from it. The rule, its source and its bounds
-- are in src/pacer.rs. Factors are in millionths of the configured rate.
local ONE = 1000000
local FACTOR_MIN = 20000
local RISE_PER_MS = 50 -- 0.05 a second
local CUT_EVERY_MS = 2000
local SAMPLES_MIN = 5
local BAD_PER_CENT_MAX = 10
local STEP_MAX_MS = 1000 -- what one tick makes up for: the slowest regular tick
local PULSE_FRESH_MS = 3000
local PULSE_WINDOW_MS = 5000
local POSTGRES_AWAY_MS = 5000
local POSTGRES_BACK_MS = 2000
local STRIPE_BAD_MS = 10000
local STRIPE_BAD_CALLS = 5
local STRIPE_WAIT_MS = 15000
local STRIPE_WAIT_MAX_MS = 120000

-- A store answers when any gateway says so, and is away when some gateway says so and none says otherwise.
local function heard_of(before, says)
    return (before == 'answers' or says == 'answers') and 'answers' or says == 'away' and says or before
end

-- Keeps this gateway's pulse and sums the fresh ones.
local function take_pulse(gateway, pulse)
    redis.call('HSET', K.pulses, gateway, now_ms .. ' ' .. pulse)
    local seen = {payments = 0, bad = 0, sum_ms = 0, postgres = 'unknown', stripe = 'unknown'}
    local all = redis.call('HGETALL', K.pulses)
    for index = 1, #all, 2 do
        local at, payments, bad, sum_ms, postgres, stripe =
            string.match(all[index + 1], '^(%d+) (%d+) (%d+) (%d+) (%l+) (%l+)$')
        if math.abs(now_ms - at) > PULSE_FRESH_MS then
            redis.call('HDEL', K.pulses, all[index])
        else
            seen.payments, seen.bad, seen.sum_ms = seen.payments + payments, seen.bad + bad, seen.sum_ms + sum_ms
            seen.postgres, seen.stripe = heard_of(seen.postgres, postgres), heard_of(seen.stripe, stripe)
        end
    end
    redis.call('HSET', K.pace, 'payments', seen.payments, 'bad', seen.bad, 'sum_ms', seen.sum_ms)
    return seen
end

local function watch_postgres(seen)
    local stands, silent_ms, back_ms =
        unpack(redis.call('HMGET', K.standstill, 'postgres', 'postgres_silent_ms', 'postgres_back_ms'))
    if seen.postgres == 'away' then
        redis.call('HDEL', K.standstill, 'postgres_back_ms')
        redis.call('HSETNX', K.standstill, 'postgres_silent_ms', now_ms)
        if silent_ms and now_ms - silent_ms >= POSTGRES_AWAY_MS then
            redis.call('HSET', K.standstill, 'postgres', 'away')
        end
    elseif seen.postgres == 'answers' and not stands then
        redis.call('HDEL', K.standstill, 'postgres_silent_ms')
    elseif seen.postgres == 'answers' then
        redis.call('HSETNX', K.standstill, 'postgres_back_ms', now_ms)
        if back_ms and now_ms - back_ms >= POSTGRES_BACK_MS then
            redis.call('HDEL', K.standstill, 'postgres', 'postgres_silent_ms', 'postgres_back_ms')
        end
    end
end

local function open_stripe(wait_ms)
    redis.call('HSET', K.standstill, 'stripe', 'open', 'stripe_until_ms', now_ms + wait_ms, 'stripe_wait_ms', wait_ms)
    redis.call('HDEL', K.standstill, 'stripe_bad_ms', 'stripe_calls')
    redis.call('HSET', K.pace, 'factor', FACTOR_MIN)
end

-- A pulse covers a window, so the same call is in many: each tick counts its share of the window.
local function count_bad_calls(seen, elapsed_ms)
    redis.call('HSETNX', K.standstill, 'stripe_bad_ms', now_ms)
    redis.call('HINCRBY', K.standstill, 'stripe_calls', math.floor(seen.bad * elapsed_ms * 1000 / PULSE_WINDOW_MS))
    local since_ms, calls, wait_ms =
        unpack(redis.call('HMGET', K.standstill, 'stripe_bad_ms', 'stripe_calls', 'stripe_wait_ms'))
    if now_ms - since_ms >= STRIPE_BAD_MS and tonumber(calls) >= STRIPE_BAD_CALLS * 1000 then
        open_stripe(tonumber(wait_ms or STRIPE_WAIT_MS))
    end
end

local function watch_stripe(seen, elapsed_ms)
    local state, until_ms, wait_ms =
        unpack(redis.call('HMGET', K.standstill, 'stripe', 'stripe_until_ms', 'stripe_wait_ms'))
    local good = seen.payments > seen.bad or seen.stripe == 'answers'
    local all_bad = seen.bad > 0 and not good
    if state == 'open' and now_ms >= tonumber(until_ms) then
        redis.call('HSET', K.standstill, 'stripe', 'half_open')
    elseif state == 'half_open' and all_bad then
        open_stripe(math.min(2 * wait_ms, STRIPE_WAIT_MAX_MS))
    elseif state == 'half_open' and good then
        redis.call('HDEL', K.standstill, 'stripe')
    elseif not state and all_bad then
        count_bad_calls(seen, elapsed_ms)
    elseif not state then
        redis.call('HDEL', K.standstill, 'stripe_bad_ms', 'stripe_calls')
    end
end

-- Additive increase, multiplicative decrease.
local function steer(seen, elapsed_ms)
    local factor, cut_ms = unpack(redis.call('HMGET', K.pace, 'factor', 'cut_ms'))
    factor = tonumber(factor)
    local is_bad = seen.bad * 100 > seen.payments * BAD_PER_CENT_MAX
    if is_bad and seen.payments >= SAMPLES_MIN and math.abs(now_ms - (cut_ms or 0)) >= CUT_EVERY_MS then
        factor = math.max(FACTOR_MIN, math.floor(factor / 2))
        redis.call('HSET', K.pace, 'cut_ms', now_ms)
    elseif not is_bad and redis.call('HEXISTS', K.standstill, 'stripe') == 0 then
        factor = math.min(ONE, factor + RISE_PER_MS * elapsed_ms)
    end
    if factor == ONE then
        redis.call('HDEL', K.standstill, 'stripe_wait_ms')
    end
    redis.call('HSET', K.pace, 'factor', factor)
    return factor
end
