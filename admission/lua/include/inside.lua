-- Included, after turn.lua, where somebody is let inside.
local function inside()
    return redis.call('ZCARD', K.granted) + redis.call('ZCARD', K.turns) + redis.call('ZCARD', K.shopping)
end

-- Turns that nobody has used yet, each of which will take a unit. A shopper has had the first hold: who holds nothing any
-- more may do so again, but keeps nobody out.
local function turns_out()
    return redis.call('ZCARD', K.granted) + redis.call('ZCARD', K.turns)
end

local function units_free()
    local units, fields = 0, redis.call('HGETALL', K.stock)
    for index = 1, #fields, 2 do
        if string.sub(fields[index], 1, 5) == 'free:' then
            units = units + fields[index + 1]
        end
    end
    return units
end

local function let_in(number, cost)
    redis.call('SETBIT', K.line, number, 0)
    redis.call('ZADD', K.granted, now_ms, number)
    if cost < TURN then
        redis.call('HSET', K.charges, number, cost)
    end
end
