-- Included where holds are read or written. A hold is one text, `state number expires_ms units`.

local function hold_text(hold)
    return table.concat({hold.state, hold.number, hold.expires_ms, hold.units}, ' ')
end

local function hold_read(id)
    local text = redis.call('HGET', K.holds, id)
    if not text then
        return nil
    end
    local state, number, expires_ms, units = string.match(text, '^(%l+) (%d+) (%d+) (%S+)$')
    return {id = id, state = state, number = number, expires_ms = tonumber(expires_ms), units = units}
end

local function hold_write(hold, due_ms)
    redis.call('HSET', K.holds, hold.id, hold_text(hold))
    redis.call('ZADD', K.due, due_ms, hold.id)
end
