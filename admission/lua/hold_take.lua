-- Takes units for a pass: the lowest free ones of each tier, all items or nothing.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 next  11 turns
--   12 shopping  13 charges  14 pace  15 request
-- ARGV
--   1 hold  2 fingerprint of the request (32 bytes)  3 number  4 TTL (ms)  5 session (ms)  6 the most units a hold may have
--   7 how long the request is remembered (s)  8… tier, quantity, tier, quantity …; each tier once
-- Returns
--   not_loaded           Redis was lost
--   taken hold record    units are held; a first hold turned the claim window into a session
--   replayed hold record the request was answered before: its hold, as it is now
--   request_reused       the request was made before with another content, or the hold exists by another request
--   paused               no new holds
--   pass_unknown         the number was never inside
--   pass_expired         the number is not inside any more
--   pass_in_use          the pass has a live hold
--   limit_reached        more units than a hold may have
--   sold_out tier        the tier has fewer units free or held than asked for
--   all_held tier        enough units, but some of them are held: some come back
-- Invariant: I1, a unit is in one live hold at most; free + held of a tier changes in no hold.
-- Repeat: safe; the request's first answer is found again and nothing more is taken.
-- Cost: O(units asked for) commands; finding units passes over a tier's bitmap once, ≤ 16 KiB.
assert(#KEYS == 15 and #ARGV >= 9 and #ARGV % 2 == 1, 'hold_take takes 15 keys and pairs after 7 arguments')

local hold_id, fingerprint, number = ARGV[1], ARGV[2], ARGV[3]

local earlier = redis.call('GET', K.request)
local first = earlier and hold_read(string.sub(earlier, #fingerprint + 1))
if first then
    if string.sub(earlier, 1, #fingerprint) ~= fingerprint then
        return {'request_reused'}
    end
    return {'replayed', first.id, hold_text(first)}
end
if redis.call('HEXISTS', K.holds, hold_id) == 1 then
    return {'request_reused'}
end
if redis.call('EXISTS', K.paused) == 1 then
    return {'paused'}
end

local claim_by, session_end = redis.call('ZSCORE', K.turns, number), redis.call('ZSCORE', K.shopping, number)
if tonumber(number) > tonumber(redis.call('GET', K.next)) then
    return {'pass_unknown'}
end
if tonumber(claim_by or session_end or 0) <= clock_ms() then
    return {'pass_expired'}
end
if redis.call('HEXISTS', K.claims, number) == 1 then
    return {'pass_in_use'}
end

local wanted = 0
for index = 8, #ARGV, 2 do
    wanted = wanted + ARGV[index + 1]
end
if wanted > tonumber(ARGV[6]) then
    return {'limit_reached'}
end
for index = 8, #ARGV, 2 do
    local tier, quantity = ARGV[index], tonumber(ARGV[index + 1])
    local free, held = unpack(redis.call('HMGET', K.stock, 'free:' .. tier, 'held:' .. tier))
    if not free then
        return redis.error_reply('ERR hold_take: unknown tier ' .. tier)
    end
    if quantity > free + held then
        return {'sold_out', tier}
    end
    if quantity > tonumber(free) then
        return {'all_held', tier}
    end
end

local found = {}
for index = 8, #ARGV, 2 do
    local base, units = tonumber(redis.call('HGET', K.tiers, ARGV[index])), {}
    local bit = base - 1
    for _ = 1, tonumber(ARGV[index + 1]) do
        bit = redis.call('BITPOS', K.free, 1, bit + 1, base + TIER_BITS - 1, 'BIT')
        if bit < 0 then
            return redis.error_reply('ERR hold_take: fewer free bits than counted in ' .. ARGV[index])
        end
        units[#units + 1] = bit - base
    end
    found[#found + 1] = {tier = ARGV[index], base = base, units = units}
end

local texts = {}
for _, item in ipairs(found) do
    for _, unit in ipairs(item.units) do
        redis.call('SETBIT', K.free, item.base + unit, 0)
    end
    redis.call('HINCRBY', K.stock, 'free:' .. item.tier, -#item.units)
    redis.call('HINCRBY', K.stock, 'held:' .. item.tier, #item.units)
    texts[#texts + 1] = item.tier .. '=' .. table.concat(item.units, ',')
end

local expires_ms = now_ms + ARGV[4]
local hold = {id = hold_id, state = 'held', number = number, expires_ms = expires_ms, units = table.concat(texts, ';')}
hold_write(hold, expires_ms)
redis.call('HSET', K.claims, number, hold_id)
redis.call('SET', K.request, fingerprint .. hold_id, 'EX', ARGV[7])
if redis.call('ZREM', K.turns, number) == 1 then
    turn_resolved(number, false)
end
redis.call('ZADD', K.shopping, math.max(tonumber(session_end or now_ms + ARGV[5]), expires_ms), number)
return {'taken', hold_id, hold_text(hold)}
