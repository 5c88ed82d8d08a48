-- Reads all that says of a unit whether it is free or held, as it is at one moment: for an audit.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 rows  10 runs  11 held
-- ARGV
--   none
-- Returns
--   not_loaded   Redis was lost
--   looked [tier base …] [count value …] [tier rows …] free held runs [number hold record …]
--                `free`, `held` and `runs` are whole bitmaps; then every claim, and every hold of nobody's, with the record of
--                the hold, empty when there is none
-- Invariant: reads only.
-- Repeat: safe.
-- Cost: O(units / 4 + rows) bytes + O(claims + holds that are due soon) records: milliseconds, so nothing that is asked
-- every second.
assert(#KEYS == 11 and #ARGV == 0, 'stock_look takes 11 keys and no arguments')

local RECORDS_AT_ONCE = 1000 -- `unpack` has room for some thousands
local NOBODYS_DUE_MS = 60000 -- a hold without a pass is looked at every 30 s

local function each_record(ids, visit)
    for from = 1, #ids, RECORDS_AT_ONCE do
        local last = math.min(from + RECORDS_AT_ONCE - 1, #ids)
        for index, record in ipairs(redis.call('HMGET', K.holds, unpack(ids, from, last))) do
            visit(from + index - 1, record or '')
        end
    end
end

local numbers, ids, found = {}, {}, {}
for index, text in ipairs(redis.call('HGETALL', K.claims)) do
    table.insert(index % 2 == 1 and numbers or ids, text)
end
each_record(ids, function(index, record)
    found[#found + 1] = numbers[index]
    found[#found + 1] = ids[index]
    found[#found + 1] = record
end)

local soon = redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms + NOBODYS_DUE_MS)
local nobodys = 'frozen ' .. NOBODY .. ' '
each_record(soon, function(index, record)
    if string.sub(record, 1, #nobodys) == nobodys then
        found[#found + 1] = NOBODY
        found[#found + 1] = soon[index]
        found[#found + 1] = record
    end
end)
return {
    'looked',
    redis.call('HGETALL', K.tiers),
    redis.call('HGETALL', K.stock),
    redis.call('HGETALL', K.rows),
    redis.call('GET', K.free) or '',
    redis.call('GET', K.held) or '',
    redis.call('GET', K.runs) or '',
    found,
}
