-- Reads who may have which seat: what a seat map is drawn from.
--
-- KEYS
--   1 epoch  2 clock_offset  3 free  4 held  5 tiers  6 stock
-- ARGV
--   1… tier of rows, how many units it has …
-- Returns
--   not_loaded                         Redis was lost
--   viewed epoch changes [free held …]   of each tier, in the order asked for, its bits of `free` and of `held` (bytes);
--                                      zeros at their end may be left out
-- Invariant: changes nothing, one moment of the sale: every later change of a seat has a greater `changes`, or epoch.
-- Repeat: safe.
-- Cost: O(units / 4) bytes.
assert(#KEYS == 6 and #ARGV % 2 == 0, 'seats_view takes 6 keys and pairs')

local bits = {}
for index = 1, #ARGV, 2 do
    local base = redis.call('HGET', K.tiers, ARGV[index])
    if not base then
        return redis.error_reply('ERR seats_view: unknown tier ' .. ARGV[index])
    end
    local from, to = base / 8, math.floor((base + ARGV[index + 1] - 1) / 8)
    bits[#bits + 1] = redis.call('GETRANGE', K.free, from, to)
    bits[#bits + 1] = redis.call('GETRANGE', K.held, from, to)
end
return {'viewed', tonumber(epoch), tonumber(redis.call('HGET', K.stock, 'changes') or 0), bits}
