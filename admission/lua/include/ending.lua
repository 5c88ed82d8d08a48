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
    local back = {}
    each_unit(units, function(tier, unit)
        redis.call('HINCRBY', K.stock, 'held:' .. tier, -1)
        if returns(tier, unit) then
            back[tier] = back[tier] or {}
            table.insert(back[tier], unit)
        end
    end)
    units_freed(back)
end

local function all_return()
    return true
end

local function none_returns()
    return false
end
