-- Included where turns, sessions and holds run out. Their clock stands while the sale stands still, and from the last tick
-- on when none came for longer than GAP_MS: Redis was frozen or cut off, its clock jumped, or every gateway was dead. The
-- next tick moves all deadlines by the gap. It is measured without the offset: a sandbox that moves its clock is no gap.
local GAP_MS = 5000 -- the slowest regular tick is 1 s

local function gap_ms()
    local gap = raw_ms - tonumber(redis.call('HGET', K.pace, 'ticked_ms'))
    return math.abs(gap) > GAP_MS and gap or 0
end

local function clock_ms()
    return tonumber(redis.call('GET', K.paused) or now_ms - gap_ms())
end
