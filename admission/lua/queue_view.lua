-- Reads all that a gateway needs to answer every visitor of a sale by itself.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 pace  5 line  6 live  7 left  8 granted  9 turns  10 shopping  11 stock  12 paused
-- ARGV
--   none
-- Returns
--   not_loaded                 Redis was lost
--   viewed name value name …   named values; bitmaps from the 8-byte word at `line_from` and `left_from` on (bytes)
-- Invariant: reads only, one moment of the sale.
-- Repeat: safe.
-- Cost: O(numbers from the first waiting one on / 8) bytes + O(shoppers inside + tiers).
assert(#KEYS == 12 and #ARGV == 0, 'queue_view takes 12 keys and no arguments')

local WORD = 8 -- bytes: the gateway counts in 64-bit words

local function first_word(key)
    local first = redis.call('BITPOS', key, 1)
    local byte = first < 0 and redis.call('STRLEN', key) or math.floor(first / 8)
    return math.floor(byte / WORD) * WORD
end

local line_from, left_from = first_word(KEYS[5]), first_word(KEYS[7])
return {
    'viewed',
    'epoch', tonumber(epoch),
    'now_ms', now_ms,
    'next', tonumber(redis.call('GET', KEYS[3])),
    'paused', redis.call('EXISTS', KEYS[12]),
    'admitted', tonumber(redis.call('HGET', KEYS[4], 'admitted')),
    'line_from', line_from,
    'line', redis.call('GETRANGE', KEYS[5], line_from, -1),
    'live', redis.call('GETRANGE', KEYS[6], line_from, -1),
    'left_from', left_from,
    'left', redis.call('GETRANGE', KEYS[7], left_from, -1),
    'granted', redis.call('ZRANGE', KEYS[8], 0, -1),
    'turns', redis.call('ZRANGE', KEYS[9], 0, -1, 'WITHSCORES'),
    'shopping', redis.call('ZRANGE', KEYS[10], 0, -1, 'WITHSCORES'),
    'stock', redis.call('HGETALL', KEYS[11]),
}
