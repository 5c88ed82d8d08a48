-- Reads all that a gateway needs to answer every visitor of a sale by itself.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 line  5 age:0  6 age:1  7 age:2  8 left  9 granted  10 turns  11 shopping
--   12 pace  13 totals  14 stock  15 paused  16 standstill  17 kept  18 scratch:0
-- ARGV
--   none
-- Returns
--   not_loaded                 Redis was lost
--   viewed name value name …   named values; bitmaps from the 8-byte word at `line_from` and `left_from` on (bytes)
-- Invariant: changes nothing, one moment of the sale.
-- Repeat: safe.
-- Cost: O(numbers from the first waiting one on / 8) bytes + O(shoppers inside + tiers).
assert(#KEYS == 18 and #ARGV == 0, 'queue_view takes 18 keys and no arguments')

local WORD = 8 -- bytes: the gateway counts in 64-bit words

local function first_word(key)
    local first = redis.call('BITPOS', key, 1)
    local byte = first < 0 and redis.call('STRLEN', key) or math.floor(first / 8)
    return math.floor(byte / WORD) * WORD
end

local function live_from(byte)
    live_into(K.scratch_0)
    local live = redis.call('GETRANGE', K.scratch_0, byte, -1)
    redis.call('DEL', K.scratch_0)
    return live
end

local line_from, left_from = first_word(K.line), first_word(K.left)
return {
    'viewed',
    'epoch', tonumber(epoch),
    'now_ms', now_ms,
    'next', tonumber(redis.call('GET', K.next)),
    'paused', redis.call('EXISTS', K.paused),
    'standstill', reason() or 'none',
    'line_from', line_from,
    'line', redis.call('GETRANGE', K.line, line_from, -1),
    'live', live_from(line_from),
    'left_from', left_from,
    'left', redis.call('GETRANGE', K.left, left_from, -1),
    'granted', redis.call('ZRANGE', K.granted, 0, -1),
    'turns', redis.call('ZRANGE', K.turns, 0, -1, 'WITHSCORES'),
    'shopping', redis.call('ZRANGE', K.shopping, 0, -1, 'WITHSCORES'),
    'stock', redis.call('HGETALL', K.stock),
    'totals', redis.call('HGETALL', K.totals),
    'pace', redis.call('HMGET', K.pace, 'factor', 'no_show', 'resolved', 'payments', 'bad', 'sum_ms'),
    'ungreeted_from', tonumber(redis.call('HGET', K.pace, 'ungreeted_from') or 0),
}
