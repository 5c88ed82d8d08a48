-- Included first in every script. The one clock of holds and admission: Redis TIME, plus an offset that only a sandbox
-- sets; a sandbox that wants a clock of its own sets `@` and the time (ms). Gives `epoch`, `now_ms`, what of a millisecond has
-- passed since in `beyond_us`, and `raw_ms`, the clock without the offset: a sandbox that moves on by an offset has not stood
-- still meanwhile.
local time, offset, epoch = redis.call('TIME'), unpack(redis.call('MGET', K.clock_offset, K.epoch))
offset = offset or '0'
local raw_ms, beyond_us = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(time[2]) % 1000
if string.sub(offset, 1, 1) == '@' then
    local set_us = math.floor(tonumber(string.sub(offset, 2)) * 1000 + 0.5)
    raw_ms, beyond_us, offset = math.floor(set_us / 1000), set_us % 1000, 0
end
local now_ms = raw_ms + offset
