-- Included, after hold.lua, where all live holds are looked at: milliseconds, so nothing that is asked every second.
local RECORDS_AT_ONCE = 1000 -- `unpack` has room for some thousands

local function each_record(ids, visit)
    for from = 1, #ids, RECORDS_AT_ONCE do
        local last = math.min(from + RECORDS_AT_ONCE - 1, #ids)
        for index, record in ipairs(redis.call('HMGET', K.holds, unpack(ids, from, last))) do
            visit(from + index - 1, record or '')
        end
    end
end

-- Every claim, and every hold of nobody's: `visit(number, id, record)`, the record empty when there is none.
local function each_claim(visit)
    local numbers, ids = {}, {}
    for index, text in ipairs(redis.call('HGETALL', K.claims)) do
        table.insert(index % 2 == 1 and numbers or ids, text)
    end
    each_record(ids, function(index, record)
        visit(numbers[index], ids[index], record)
    end)

    local soon = redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms + NOBODYS_DUE_MS)
    local nobodys = 'frozen ' .. NOBODY .. ' '
    each_record(soon, function(index, record)
        if string.sub(record, 1, #nobodys) == nobodys then
            visit(NOBODY, soon[index], record)
        end
    end)
end
