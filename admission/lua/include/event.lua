-- Included where something happens to a number, or to the sale, that Postgres must hear of. Every tick delivers what is not
-- confirmed yet.
local EVENTS_KEPT_MAX = 200000 -- 20 MB, when Postgres is away while everybody leaves; what is beyond is only counted

local function record(kind, subject)
    if redis.call('ZCARD', K.events) >= EVENTS_KEPT_MAX then
        redis.call('HINCRBY', K.totals, 'unrecorded', 1)
        return
    end
    redis.call('ZADD', K.events, now_ms, kind .. ' ' .. subject .. ' ' .. now_ms)
end
