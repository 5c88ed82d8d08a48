-- Included, after turn.lua, where somebody is let inside.
local function inside()
    return redis.call('ZCARD', K.granted) + redis.call('ZCARD', K.turns) + redis.call('ZCARD', K.shopping)
end

-- Turns that nobody has used yet, each of which will take a unit. A shopper has had the first hold: who holds nothing any
-- more may do so again, but keeps nobody out.
local function turns_out()
    return redis.call('ZCARD', K.granted) + redis.call('ZCARD', K.turns)
end

-- Units that may be held now: of a tier that the last tick said is bounded, no more than may still go.
local function units_free()
    local fields, stock = redis.call('HGETALL', K.stock), {}
    for index = 1, #fields, 2 do
        stock[fields[index]] = tonumber(fields[index + 1])
    end
    for tier, allowed in string.gmatch(redis.call('HGET', K.pace, 'allowed') or '', '([^=;]+)=(%d+)') do
        local free = stock['free:' .. tier]
        local gone = (stock['all:' .. tier] or 0) - free
        stock['free:' .. tier] = math.max(0, math.min(free, allowed - gone))
    end
    local units = 0
    for field, count in pairs(stock) do
        units = units + (string.sub(field, 1, 5) == 'free:' and count or 0)
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
