-- Included first in every script. The one clock of holds and admission: Redis TIME, plus an offset that only a sandbox
-- sets. Uses KEYS[1] epoch and KEYS[2] clock_offset; gives `epoch` and `now_ms`.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(redis.call('GET', KEYS[2]) or 0)
local epoch = redis.call('GET', KEYS[1])
