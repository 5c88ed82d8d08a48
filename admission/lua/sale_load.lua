-- Loads a sale from what Postgres knows, in one step: everything of an earlier epoch is gone afterwards.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 reserved  5 line  6 live  7 heard:0  8 heard:1  9 heard:2  10 heard:3  11 kept
--   12 left  13 granted  14 turns  15 shopping  16 pace  17 holds  18 due  19 claims  20 free  21 tiers  22 stock
-- ARGV
--   1 epoch  2 the highest reserved number  3 line: a bit for each number that may still be waiting  4 how many tiers
--   5… tier, its free units as a bitmap …  then number, end of session (ms) … of who is inside
-- Returns
--   loaded           the sale runs in this epoch
--   already_loaded   it runs in this epoch or a later one; nothing changed
-- Invariant: no number at or below the reserved one is handed out again; the bucket starts empty, so I8 holds across the
-- loss of Redis too. `visitors` stays: numbers are never reused, so what it says is still true.
-- Repeat: safe; the epoch is there.
-- Cost: O(numbers / 8 + units / 8) bytes + O(inside · log n + tiers), once an epoch.
assert(#KEYS == 22 and #ARGV >= 4, 'sale_load takes 22 keys and 4 or more arguments')

if epoch and tonumber(epoch) >= tonumber(ARGV[1]) then
    return {'already_loaded'}
end
for key = 3, 22 do
    redis.call('DEL', KEYS[key])
end

redis.call('SET', KEYS[3], ARGV[2])
redis.call('SET', KEYS[4], ARGV[2])
redis.call('SET', KEYS[5], ARGV[3])
redis.call('SET', KEYS[11], ARGV[3]) -- everyone has the full time to come back
redis.call('HSET', KEYS[16], 'slot', slot_now, 'kept_ms', now_ms, 'turns_left', 0)
redis.call('HSET', KEYS[16], 'refilled_ms', now_ms, 'admitted', 0)

for tier = 1, tonumber(ARGV[4]) do
    local name, bitmap, base = ARGV[3 + 2 * tier], ARGV[4 + 2 * tier], (tier - 1) * TIER_BITS
    redis.call('SETRANGE', KEYS[20], base / 8, bitmap)
    local free = redis.call('BITCOUNT', KEYS[20], base, base + TIER_BITS - 1, 'BIT')
    redis.call('HSET', KEYS[21], name, base)
    redis.call('HSET', KEYS[22], 'free:' .. name, free, 'held:' .. name, 0)
end
local inside_from = 5 + 2 * ARGV[4]
for index = inside_from, #ARGV, 2 do
    if tonumber(ARGV[index + 1]) > now_ms then
        redis.call('ZADD', KEYS[15], ARGV[index + 1], ARGV[index])
    end
end
redis.call('SET', KEYS[1], ARGV[1])
return {'loaded'}
