-- Included, after units.lua, in the scripts that move holds. Uses KEYS[3] holds, KEYS[4] due, KEYS[5] claims,
-- KEYS[6] free, KEYS[7] tiers, KEYS[8] stock. A hold is one text, `state number expires_ms units`.
local HOLD_KEPT_MS = 24 * 60 * 60 * 1000 -- an ended hold answers repeated requests for as long as they are remembered

local function hold_text(hold)
    return table.concat({hold.state, hold.number, hold.expires_ms, hold.units}, ' ')
end

local function hold_read(id)
    local text = redis.call('HGET', KEYS[3], id)
    if not text then
        return nil
    end
    local state, number, expires_ms, units = string.match(text, '^(%l+) (%d+) (%d+) (%S+)$')
    return {id = id, state = state, number = number, expires_ms = tonumber(expires_ms), units = units}
end

local function hold_write(hold, due_ms)
    redis.call('HSET', KEYS[3], hold.id, hold_text(hold))
    redis.call('ZADD', KEYS[4], due_ms, hold.id)
end

-- The hold is history: its pass may hold again.
local function hold_end(hold, state)
    hold.state = state
    hold_write(hold, now_ms + HOLD_KEPT_MS)
    redis.call('HDEL', KEYS[5], hold.number)
end

-- Units leave `held`; those for which `returns(tier, unit)` is true become free.
local function units_leave(units, returns)
    each_unit(units, function(tier, unit)
        redis.call('HINCRBY', KEYS[8], 'held:' .. tier, -1)
        if returns(tier, unit) then
            redis.call('SETBIT', KEYS[6], redis.call('HGET', KEYS[7], tier) + unit, 1)
            redis.call('HINCRBY', KEYS[8], 'free:' .. tier, 1)
        end
    end)
end

local function all_return()
    return true
end

local function none_returns()
    return false
end
