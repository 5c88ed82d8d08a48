-- Included, after hold.lua, reason.lua, event.lua and moved.lua, where a sale may begin or cease to stand still. It does
-- while the organizer paused it, or while Postgres or Stripe are away; `paused` says since when. What was left of turns,
-- sessions and holds is left afterwards. Holds of nobody's are not moved: the clock itself runs for them (hold_expire).
local function shift_clocks(ms)
    for _, key in ipairs({K.turns, K.shopping}) do
        for _, number in ipairs(redis.call('ZRANGE', key, 0, -1)) do
            redis.call('ZINCRBY', key, ms, number)
        end
    end
    all_moved()
    for _, id in ipairs(redis.call('HVALS', K.claims)) do
        local hold = hold_read(id)
        if hold and hold_lives(hold) then
            hold_lasts(hold, hold.expires_ms + ms)
            if hold.state == 'frozen' and ms < 0 then
                redis.call('ZINCRBY', K.due, ms, id) -- the clock went back: the sweep is not to look so much later
            end
        end
    end
end

local function stand_or_go()
    local why = reason()
    local told = why or 'none'
    if told ~= (redis.call('HGET', K.standstill, 'told') or 'none') then
        redis.call('HSET', K.standstill, 'told', told)
        record('stands', told)
    end
    local since_ms = redis.call('GET', K.paused)
    if why then
        redis.call('SET', K.paused, now_ms, 'NX')
    elseif since_ms then
        shift_clocks(math.max(0, now_ms - since_ms))
        redis.call('DEL', K.paused)
    end
    return why
end
