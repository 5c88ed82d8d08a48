-- Included where turns are granted, used or lost. What a turn costs the bucket: 1 - p when it is granted, where p is the
-- measured share of turns that nobody uses; the rest when it is used; when it is not, the cost comes back. So the visitors
-- who arrive meet the rate, whatever p is, and without no-shows a grant costs exactly one turn.
local TURN = 1000000 -- one turn, in the millionths in which the bucket counts
local RESOLVED_MIN = 20 -- p is 0 until so many turns were used or lost
local MEMORY_MIN = 64 -- p is the mean of the first turns, then exponentially weighted over so many, or all that are out:
-- a use is known sooner than a lapse, so a memory shorter than the life of a turn would swing between them
local NO_SHOW_MAX = 900000 -- at most ten turns are granted for each that is expected to be used

local function turn_cost()
    local resolved, no_show = unpack(redis.call('HMGET', K.pace, 'resolved', 'no_show'))
    if tonumber(resolved or 0) < RESOLVED_MIN then
        return TURN
    end
    return TURN - math.min(tonumber(no_show), NO_SHOW_MAX)
end

-- What is charged beside a grant, and what comes back, waits for the next refill. Taken at once from a bucket that was not
-- filled since the last tick, a cost would vanish in what flows over: I8 counts it, and a whole burst behind it.
local function settle(cost)
    redis.call('HINCRBY', K.pace, cost < 0 and 'regained' or 'owed', math.abs(cost))
end

-- Turns were used, or were not, one after the other; they are no longer in `turns`.
local function turns_resolved(numbers, is_no_show)
    local cost, charged = 0, {}
    for index, charge in ipairs(redis.call('HMGET', K.charges, unpack(numbers))) do
        cost = cost + (is_no_show and -(charge or TURN) or TURN - (charge or TURN))
        charged[#charged + 1] = charge and numbers[index] or nil
    end
    if #charged > 0 then
        redis.call('HDEL', K.charges, unpack(charged))
    end
    if cost ~= 0 then
        settle(cost)
    end
    local resolved, no_show = unpack(redis.call('HMGET', K.pace, 'resolved', 'no_show'))
    resolved, no_show = tonumber(resolved or 0), tonumber(no_show or 0)
    local others = redis.call('ZCARD', K.turns)
    for left = #numbers - 1, 0, -1 do
        resolved = resolved + 1
        local weight = math.min(resolved, math.max(MEMORY_MIN, others + left))
        local step = ((is_no_show and TURN or 0) - no_show) / weight
        no_show = math.floor(no_show + step + 0.5)
    end
    redis.call('HSET', K.pace, 'resolved', resolved, 'no_show', no_show)
end
