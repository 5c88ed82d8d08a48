-- Included first in every script. The one clock of holds and admission: Redis TIME, plus an offset that only a sandbox
-- sets; a sandbox that wants a clock of its own sets `@` and the time. Gives `epoch`, `now_ms`, and `raw_ms`, the clock
-- without the offset: a sandbox that moves on by an offset has not stood still meanwhile.
local time, offset, epoch = redis.call('TIME'), unpack(redis.call('MGET', K.clock_offset, K.epoch))
offset = offset or '0'
local raw_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if string.sub(offset, 1, 1) == '@' then
    raw_ms, offset = tonumber(string.sub(offset, 2)), 0
end
local now_ms = raw_ms + offset
