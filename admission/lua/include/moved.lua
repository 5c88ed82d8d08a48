-- Included where a turn or a session begins, ends or gets another deadline: a view that follows another one reads only
-- those (queue_view). All moves of a call have one number, which `pace` counts as `moves`.
local move

local function moved(...)
    move = move or redis.call('HINCRBY', K.pace, 'moves', 1)
    local scored = {}
    for index, number in ipairs({...}) do
        scored[2 * index - 1], scored[2 * index] = move, number
    end
    redis.call('ZADD', K.moved, unpack(scored))
end

-- Everybody at once: no view from before can be followed.
local function all_moved()
    redis.call('DEL', K.moved)
    move = redis.call('HINCRBY', K.pace, 'moves', 1)
    redis.call('HSET', K.pace, 'moves_from', move)
end
