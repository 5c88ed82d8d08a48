-- Included where holds are read or written. A hold is one text, `state number expires_ms units`, and behind it how often it
-- was extended, if it was.
local NOBODY = '0' -- the number of a hold without a pass: the first number of a visitor is 1
local NOBODYS_DUE_MS = 60000 -- and when the sweep looks at one again at the latest; it does after 30 s

local function hold_text(hold)
    local text = table.concat({hold.state, hold.number, hold.expires_ms, hold.units}, ' ')
    return (hold.extensions or 0) > 0 and text .. ' ' .. hold.extensions or text
end

local function hold_of_text(id, text)
    local state, number, expires_ms, units, extensions = string.match(text, '^(%l+) (%d+) (%d+) (%S+) ?(%d*)$')
    expires_ms, extensions = tonumber(expires_ms), tonumber(extensions) or 0
    return {id = id, state = state, number = number, expires_ms = expires_ms, units = units, extensions = extensions}
end

local function hold_read(id)
    local text = redis.call('HGET', K.holds, id)
    return text and hold_of_text(id, text)
end

local function hold_write(hold, due_ms)
    redis.call('HSET', K.holds, hold.id, hold_text(hold))
    redis.call('ZADD', K.due, due_ms, hold.id)
end

-- Live: its units are nobody else's.
local function hold_lives(hold)
    return hold.state == 'held' or hold.state == 'frozen'
end

-- Moves the end of a live hold. A held one is due then; at a frozen one the sweep looks when it would have anyway.
local function hold_lasts(hold, expires_ms)
    hold.expires_ms = expires_ms
    hold_write(hold, hold.state == 'held' and expires_ms or redis.call('ZSCORE', K.due, hold.id))
end
