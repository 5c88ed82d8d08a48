-- One tick of a sale: rolls the liveness slots, ends sessions and turns that are over, and grants turns to the first
-- live numbers as rate, burst, cap and stock allow. Any gateway may call it at any time; there is no leader.
--
-- KEYS
--   1 epoch  2 clock_offset  3 pace  4 line  5 live  6 heard:0  7 heard:1  8 heard:2  9 heard:3  10 kept  11 scratch
--   12 granted  13 turns  14 shopping  15 stock  16 paused
-- ARGV
--   1 rate (turns/s)  2 burst (turns)  3 the most shoppers inside  4 admitting or paused
-- Returns
--   not_loaded                                 Redis was lost
--   ticked epoch ended lapsed [number, ms …]   counts, and the turns granted but not confirmed yet, oldest first
-- Invariant: I7, nobody is granted a turn before a live number that is smaller; I8, in every window grants ≤ rate ×
-- window + burst, and granted + turns + shopping ≤ the cap at every grant.
-- Repeat: harmless; a second tick finds the bucket emptied and delivers the same unconfirmed turns again.
-- Cost: O(END_MAX + LAPSE_MAX + SILENT_MAX + ADMIT_MAX) commands and a few passes over bitmaps of highest number / 8 bytes.
assert(#KEYS == 16 and #ARGV == 4, 'queue_admit takes 16 keys and 4 arguments')

local KEPT_MS = 30 * 60 * 1000 -- a silent number keeps its place for at least this long, and at most twice
local TURN = 1000 -- a turn costs this many milli-turns, so that rate × elapsed ms needs no fraction
local END_MAX = 500 -- sessions ended a tick
local LAPSE_MAX = 500 -- turns lapsed a tick because their window is over
local SILENT_MAX = 1000 -- turns looked at a tick for silence; the next tick goes on behind them
local ADMIT_MAX = 500 -- turns granted, and delivered, a tick: one insert in Postgres

local fields = redis.call('HMGET', KEYS[3], 'slot', 'kept_ms', 'turns_left', 'refilled_ms', 'swept')
local rolled, kept_ms, turns_left, refilled_ms, swept = unpack(fields)

local function roll()
    redis.call('BITOP', 'OR', KEYS[10], KEYS[10], KEYS[5])
    for begun = math.max(rolled + 1, slot_now - 3), slot_now do
        redis.call('DEL', KEYS[6 + begun % 4])
    end
    redis.call('BITOP', 'OR', KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9])
    redis.call('HSET', KEYS[3], 'slot', slot_now)
    if now_ms - kept_ms >= KEPT_MS then
        redis.call('BITOP', 'AND', KEYS[4], KEYS[4], KEYS[10])
        redis.call('BITOP', 'OR', KEYS[10], KEYS[5])
        redis.call('HSET', KEYS[3], 'kept_ms', now_ms)
    end
end

local function end_sessions()
    local over = redis.call('ZRANGEBYSCORE', KEYS[14], '-inf', now_ms, 'LIMIT', 0, END_MAX)
    if #over > 0 then
        redis.call('ZREM', KEYS[14], unpack(over))
    end
    return #over
end

local function lapse(number)
    redis.call('ZREM', KEYS[13], number)
    redis.call('SETBIT', KEYS[4], number, 1)
end

-- A turn that its visitor watched run out must not come straight back: the slot goes on, and the next sign of life
-- puts the visitor first again.
local function lapse_due()
    local over = redis.call('ZRANGEBYSCORE', KEYS[13], '-inf', now_ms, 'LIMIT', 0, LAPSE_MAX)
    for _, number in ipairs(over) do
        lapse(number)
        for key = 5, 9 do
            redis.call('SETBIT', KEYS[key], number, 0)
        end
    end
    return #over
end

local function lapse_silent()
    local from = tonumber(swept or 0)
    if from >= redis.call('ZCARD', KEYS[13]) then
        from = 0
    end
    local looked, silent = redis.call('ZRANGE', KEYS[13], from, from + SILENT_MAX - 1), 0
    for _, number in ipairs(looked) do
        if redis.call('GETBIT', KEYS[5], number) == 0 then
            lapse(number)
            silent = silent + 1
        end
    end
    local next_from = #looked == SILENT_MAX and from + #looked - silent or 0
    redis.call('HSET', KEYS[3], 'swept', next_from)
    return silent
end

local function units_left()
    local units = 0
    for _, count in ipairs(redis.call('HVALS', KEYS[15])) do
        units = units + count
    end
    return units
end

local function inside()
    return redis.call('ZCARD', KEYS[12]) + redis.call('ZCARD', KEYS[13]) + redis.call('ZCARD', KEYS[14])
end

-- The lowest bits of line AND live are the next turns: the front is found anew each tick, so who was passed over while
-- silent is first on return, and no cursor can go stale.
local function grant(room)
    local granted, from = 0, 0
    redis.call('BITOP', 'AND', KEYS[11], KEYS[4], KEYS[5])
    while granted < room do
        local number = redis.call('BITPOS', KEYS[11], 1, from, -1, 'BIT')
        if number < 0 then
            break
        end
        redis.call('SETBIT', KEYS[4], number, 0)
        redis.call('ZADD', KEYS[12], now_ms, number)
        granted, from = granted + 1, number + 1
    end
    redis.call('DEL', KEYS[11])
    redis.call('HINCRBY', KEYS[3], 'admitted', granted)
    return granted
end

local function admit(rate, burst, cap)
    local earned = math.max(0, now_ms - refilled_ms) * rate
    local left = math.min(burst * TURN, turns_left + earned)
    -- Turns that cannot be confirmed, because Postgres is away, do not pile up to be shown all at once.
    local shown = burst - redis.call('ZCARD', KEYS[12])
    local room = math.min(ADMIT_MAX, math.floor(left / TURN), cap - inside(), shown)
    if room > 0 and units_left() > 0 then
        left = left - TURN * grant(room)
    end
    redis.call('HSET', KEYS[3], 'turns_left', left, 'refilled_ms', now_ms)
end

if slot_now ~= tonumber(rolled) then
    roll()
end
local ended, lapsed = 0, 0
if redis.call('EXISTS', KEYS[16]) == 0 then
    ended = end_sessions()
    lapsed = lapse_due() + lapse_silent()
    if ARGV[4] == 'admitting' then
        admit(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
    end
end
local unconfirmed = redis.call('ZRANGE', KEYS[12], 0, ADMIT_MAX - 1, 'WITHSCORES')
return {'ticked', tonumber(epoch), ended, lapsed, unconfirmed}
