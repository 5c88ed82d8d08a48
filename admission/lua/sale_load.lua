-- Loads a sale from what Postgres knows, in one step: everything of an earlier epoch is gone afterwards.
--
-- KEYS
--   1 epoch  2 clock_offset  3 paused  4 standstill  5 next  6 reserved  7 line  8 age:0  9 age:1  10 age:2  11 kept
--   12 left  13 granted  14 turns  15 shopping  16 charges  17 pace  18 totals  19 pulses  20 events  21 free  22 tiers
--   23 stock  24 holds  25 due  26 claims  27 rows  28 runs  29 held  30 moved
-- ARGV
--   1 epoch  2 the highest reserved number  3 line: a bit for each number that may still be waiting  4 left: a bit for each
--   number that left by itself  5 how many draws the numbers include  6 how many tiers  7 how long only receipts are
--   honoured (ms)  8 the epoch from which on receipts are honoured  9… tier, its free units as a bitmap, where its rows begin
--   (see rows.lua; empty for general admission), its bits of `runs`, how many of its units are not withheld … then number, end of session (ms) … of who is inside
-- Returns
--   loaded           the sale runs in this epoch
--   already_loaded   it runs in this epoch or a later one; nothing changed
-- Invariant: no number at or below the reserved one is handed out again; the bucket starts empty, so I8 holds across the
-- loss of Redis too, save for a debt that the time of grace does not make up for. `visitors` and `patient` stay: numbers are
-- never reused, so what they say is still true. A pause of the organizer's stands.
-- Repeat: safe; the epoch is there.
-- Cost: O(numbers / 8 + units / 8 + rows) bytes + O(inside · log n + tiers), once an epoch.
assert(#KEYS == 30 and #ARGV >= 8, 'sale_load takes 30 keys and 8 or more arguments')

if epoch and tonumber(epoch) >= tonumber(ARGV[1]) then
    return {'already_loaded'}
end
local organizer, version = unpack(redis.call('HMGET', K.standstill, 'organizer', 'version'))
redis.call('DEL', unpack(KEYS, 3))
if organizer then
    redis.call('HSET', K.standstill, 'organizer', organizer, 'version', version)
    if organizer == 'paused' then
        redis.call('SET', K.paused, now_ms)
    end
end

redis.call('SET', K.next, ARGV[2])
redis.call('SET', K.reserved, ARGV[2])
redis.call('SET', K.line, ARGV[3])
redis.call('SET', K.kept, ARGV[3]) -- everyone has the full time to come back
redis.call('SET', K.left, ARGV[4])

local TIERS_FROM = 9
local TIER_ARGUMENTS = 5
for tier = 1, tonumber(ARGV[6]) do
    local from = TIERS_FROM + TIER_ARGUMENTS * (tier - 1)
    local name, bitmap, rows, runs, all = unpack(ARGV, from, from + TIER_ARGUMENTS - 1)
    local base = (tier - 1) * TIER_BITS
    redis.call('SETRANGE', K.free, base / 8, bitmap)
    local free = redis.call('BITCOUNT', K.free, base, base + TIER_BITS - 1, 'BIT')
    redis.call('HSET', K.tiers, name, base)
    redis.call('HSET', K.stock, 'free:' .. name, free, 'held:' .. name, 0, 'all:' .. name, all)
    if rows ~= '' then
        redis.call('HSET', K.rows, name, rows)
        redis.call('SETRANGE', K.runs, runs_base(base, 1) / 8, runs)
    end
end
for index = TIERS_FROM + TIER_ARGUMENTS * ARGV[6], #ARGV, 2 do
    if tonumber(ARGV[index + 1]) > now_ms then
        redis.call('ZADD', K.shopping, ARGV[index + 1], ARGV[index])
    end
end

-- Who may be waiting has not been heard of: who has a socket, or polls every 5 s, says so before anybody is admitted.
-- Nobody is let in for units that receipts may still take back.
local LOAD_GRACE_MS = 6000
local reclaim_until_ms = now_ms + ARGV[7]
local quiet_ms = tonumber(ARGV[2]) > 0 and math.max(now_ms + LOAD_GRACE_MS, reclaim_until_ms) or 0
redis.call('HSET', K.pace, 'slot', slot_now, 'kept_ms', now_ms, 'turns_left', 0, 'refilled_ms', now_ms, 'factor', 1000000)
redis.call('HSET', K.pace, 'ticked_ms', raw_ms, 'opened', ARGV[5], 'cohorts', ARGV[5])
redis.call('HSET', K.pace, 'greeted', 0, 'quiet_ms', quiet_ms)
redis.call('HSET', K.pace, 'reclaim_until_ms', reclaim_until_ms, 'receipts_from', ARGV[8], 'server', server_id())
local left, inside = redis.call('BITCOUNT', K.left), redis.call('ZCARD', K.shopping)
local expired = ARGV[2] - redis.call('BITCOUNT', K.line) - left - inside
redis.call('HSET', K.totals, 'joined', ARGV[2], 'admitted', 0, 'left', left, 'expired', expired)
redis.call('SET', K.epoch, ARGV[1])
return {'loaded'}
