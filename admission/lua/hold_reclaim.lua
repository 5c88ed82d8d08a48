-- Gives a hold back that Redis lost, on its receipt: the same units, the same expiry, all or nothing.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 shopping  11 pace
--   12 rows  13 runs  14 held  15 moved
-- ARGV
--   1 hold  2 number  3 when it expires (ms)  4 units (`tier=0,1;tier=7`)  5 epoch of the receipt
--   6 epoch in which Postgres was asked and knew neither an order nor a tombstone
-- Returns
--   not_loaded              Redis was lost, or is in another epoch than Postgres was asked in
--   reclaimed hold record   it is held again
--   live hold record        it is here: it was given back before, or was never lost
--   ended                   its time is over, it ended here, or its units were on sale in an epoch since
--   pass_in_use             the pass has another live hold
--   seat_taken              a unit is not free; nothing was taken
-- Invariant: I1; free + held of a tier changes in no hold; a hold never lasts longer than its receipt says, save for a
-- standstill since.
-- Repeat: safe; the second call finds it live.
-- Cost: O(units of the hold).
assert(#KEYS == 15 and #ARGV == 6, 'hold_reclaim takes 15 keys and 6 arguments')

if tonumber(epoch) ~= tonumber(ARGV[6]) then
    return {'not_loaded'}
end
local id, number, expires_ms, units = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local known = hold_read(id)
if known and (hold_lives(known) or known.state == 'committed') then
    return {'live', id, hold_text(known)}
end
local receipts_from = tonumber(redis.call('HGET', K.pace, 'receipts_from') or epoch)
if known or expires_ms <= clock_ms() or tonumber(ARGV[5]) < receipts_from then
    return {'ended'}
end
if redis.call('HEXISTS', K.claims, number) == 1 then
    return {'pass_in_use'}
end

local units_of, all_free = {}, true
each_unit(units, function(tier, unit)
    local base = redis.call('HGET', K.tiers, tier)
    all_free = all_free and base and redis.call('GETBIT', K.free, base + unit) == 1
    units_of[tier] = units_of[tier] or {}
    table.insert(units_of[tier], unit)
end)
if not all_free then
    return {'seat_taken'}
end

for tier, of_tier in pairs(units_of) do
    units_held(tier, tonumber(redis.call('HGET', K.tiers, tier)), of_tier)
end
local hold = {id = id, state = 'held', number = number, expires_ms = expires_ms, units = units}
hold_write(hold, expires_ms)
redis.call('HSET', K.claims, number, id)
-- Who is not inside any more can still order what is held, and takes no room.
if tonumber(redis.call('ZSCORE', K.shopping, number) or expires_ms) < expires_ms then
    redis.call('ZADD', K.shopping, 'XX', expires_ms, number)
    moved(number)
end
return {'reclaimed', id, hold_text(hold)}
