-- Included where numbers are handed out. Redis hears of a draw before it gets its numbers: from whoever asks first after
-- it opened. From then until they are here nobody else gets a number, so none is given twice.
local DRAW_GRACE_MS = 2000 -- ten ticks, in which every gateway says who of a new draw is here

local function opened_draws(asked)
    local opened, cohorts = unpack(redis.call('HMGET', K.pace, 'opened', 'cohorts'))
    opened, cohorts = tonumber(opened), tonumber(cohorts)
    if tonumber(asked) > opened then
        opened = tonumber(asked)
        redis.call('HSET', K.pace, 'opened', opened)
    end
    return opened, cohorts
end
