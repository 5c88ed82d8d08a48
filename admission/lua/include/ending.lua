-- Included, after handover.lua and hold.lua, where holds end.
local HOLD_KEPT_MS = 24 * 60 * 60 * 1000 -- an ended hold answers repeated requests for as long as they are remembered

-- The hold is history: its pass may hold again.
local function hold_end(hold, state)
    hold.state = state
    hold_write(hold, now_ms + HOLD_KEPT_MS)
    redis.call('HDEL', K.claims, hold.number)
end

-- Units leave `held`; those for which `returns(tier, unit)` is true become free.
local function units_leave(units, returns)
    local left, back = {}, {}
    each_unit(units, function(tier, unit)
        left[tier], back[tier] = left[tier] or {}, back[tier] or {}
        table.insert(left[tier], unit)
        if returns(tier, unit) then
            table.insert(back[tier], unit)
        end
    end)
    for tier, of_tier in pairs(left) do
        set_units(K.held, tonumber(redis.call('HGET', K.tiers, tier)), of_tier, 0)
        redis.call('HINCRBY', K.stock, 'held:' .. tier, -#of_tier)
    end
    units_freed(back)
end

local function all_return()
    return true
end

local function none_returns()
    return false
end
