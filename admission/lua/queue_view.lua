-- Reads all that a gateway needs to answer every visitor of a sale by itself.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 line  5 age:0  6 age:1  7 age:2  8 left  9 granted  10 turns  11 shopping
--   12 pace  13 totals  14 stock  15 paused  16 standstill  17 kept  18 moved  19 scratch:0
-- ARGV
--   1 epoch  2 moves, both of the view that this one follows; 0 and 0 when it follows none
-- Returns
--   not_loaded                 Redis was lost
--   viewed name value name …   named values; bitmaps from the 8-byte word at `line_from` and `left_from` on (bytes).
--     `turns` and `shopping` are of those who `moved` since the view that this one follows, or of everybody when that
--     is nothing (nil); `inside` says how many of either there are
-- Invariant: changes nothing, one moment of the sale.
-- Repeat: safe.
-- Cost: O(numbers from the first waiting one on / 8) bytes + O(moves since, at most about MOVES_KEPT of queue_admit, +
-- granted + tiers), whoever is inside; O(inside) when it follows none, or one from before a standstill or MOVES_KEPT moves.
assert(#KEYS == 19 and #ARGV == 2, 'queue_view takes 19 keys and 2 arguments')

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

-- Who moved since the view that this one follows; nil when Redis cannot say.
local function moved_since(moves)
    local since, kept_from = tonumber(ARGV[2]), tonumber(redis.call('HGET', K.pace, 'moves_from') or 0)
    if ARGV[1] == epoch and kept_from <= since and since <= moves then
        return redis.call('ZRANGEBYSCORE', K.moved, '(' .. ARGV[2], '+inf')
    end
end

-- Numbers and deadlines, of those who moved if that is known.
local function deadlines(key, moved)
    if not moved then
        return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    end
    local found = {}
    for _, number in ipairs(moved) do
        local deadline = redis.call('ZSCORE', key, number)
        if deadline then
            found[#found + 1], found[#found + 2] = number, deadline
        end
    end
    return found
end

local line_from, left_from = first_word(K.line), first_word(K.left)
local moves = tonumber(redis.call('HGET', K.pace, 'moves') or 0)
local moved = moved_since(moves)
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
    'moves', moves,
    'moved', moved or false,
    'turns', deadlines(K.turns, moved),
    'shopping', deadlines(K.shopping, moved),
    'inside', {redis.call('ZCARD', K.turns), redis.call('ZCARD', K.shopping)},
    'stock', redis.call('HGETALL', K.stock),
    'totals', redis.call('HGETALL', K.totals),
    'pace', redis.call('HMGET', K.pace, 'factor', 'no_show', 'resolved', 'payments', 'bad', 'sum_ms'),
    'ungreeted_from', tonumber(redis.call('HGET', K.pace, 'ungreeted_from') or 0),
}
