-- One tick of a sale: takes a gateway's pulse, decides whether the sale stands still and how fast it goes, ends sessions and
-- turns that are over, and grants turns to the first live numbers as rate, burst, cap and stock allow. Any gateway may call
-- it at any time; there is no leader.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 paused  7 standstill  8 next  9 line  10 age:0  11 age:1
--   12 age:2  13 kept  14 left  15 patient  16 granted  17 turns  18 shopping  19 charges  20 pace  21 totals
--   22 pulses  23 events  24 stock  25 moved  26 scratch:0
-- ARGV
--   1 rate (turns/s)  2 burst (turns)  3 the most shoppers inside  4 overbook (turns)  5 how many draws have opened
--   6 admitting or paused  7 gateway  8 its pulse (payments, bad, sum in ms, postgres and stripe: unknown, answers or away)
--   9 its mark (`epoch last admitted`)  10 how many units may be gone of tiers that are bounded now (`tier=10;tier=2`)
-- Returns
--   not_loaded   Redis was lost, or its last writes were
--   ticked epoch ended lapsed [number, ms, is patient …] [event …] [at ms, count, lowest] factor reason
--     counts; turns granted but not confirmed yet, oldest first; events (`kind number ms` or `stands reason ms`)
--     likewise; who came back, or nothing; the factor (millionths); organizer, postgres, stripe or none
-- Invariant: I7, nobody is granted a turn before a live number that is smaller; I8, in every window that ends with a grant,
-- what turns cost ≤ rate × window + burst, and at every grant granted + turns + shopping ≤ the cap, and turns out ≤ units
-- free for them + overbook; while the sale stands still nothing of a turn, a session or a hold elapses.
-- Repeat: harmless; a second tick finds the bucket emptied and delivers the same unconfirmed turns and events again.
-- Cost: O(END_MAX + LAPSE_MAX + SILENT_MAX + ADMIT_MAX + EVENTS_MAX) commands and a few passes over bitmaps of highest
-- number / 8 bytes; O(inside) when a standstill or a gap ends, and O(live holds) when the clock went back.
assert(#KEYS == 26 and #ARGV == 10, 'queue_admit takes 26 keys and 10 arguments')

if is_of_the_past(ARGV[9]) then
    redis.call('DEL', K.epoch)
    return {'not_loaded'}
end

local KEPT_MS = 30 * 60 * 1000 -- a silent number keeps its place for at least this long, and at most twice
local END_MAX = 500 -- sessions ended a tick
local LAPSE_MAX = 500 -- turns lapsed a tick because their window is over
local SILENT_MAX = 500 -- turns looked at a tick for silence; the next tick goes on behind them
local ADMIT_MAX = 500 -- turns granted, and delivered, a tick: one insert in Postgres
local EVENTS_MAX = 1000 -- events delivered a tick, in the same insert
local MOVES_KEPT = 5000 -- a view that follows another one reads at most about so many; a gateway that missed more reads all
local TELL_AGAIN_MS = 1000 -- who came back is told to another tick when the first one's gateway may have died

-- Holds of nobody's have the clock itself, which no standstill moves: one that went back would keep abandoned ones as much
-- longer. They have no claim, and are found by when the sweep was to look.
local function nobodys_go_back(ms)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms - ms + NOBODYS_DUE_MS)) do
        local hold = hold_read(id)
        if hold and hold.number == NOBODY and hold.state == 'frozen' then
            hold_lasts(hold, hold.expires_ms + ms)
            redis.call('ZINCRBY', K.due, ms, id)
        end
    end
end

local function pass_over(gap)
    if redis.call('EXISTS', K.paused) == 0 then
        shift_clocks(gap)
    end
    if gap < 0 then
        nobodys_go_back(gap)
    end
    for _, moment in ipairs({'kept_ms', 'refilled_ms', 'quiet_ms', 'reclaim_until_ms'}) do
        redis.call('HINCRBY', K.pace, moment, gap)
    end
    redis.call('HSET', K.pace, 'slot', slot_now)
end

-- SETBIT leaves room to grow in the bitmaps it grows; a copy is exact. The ages are new in each slot anyhow. It is the first
-- tick of a slot that trims: a join or a sign of life may have begun the slot.
local function trim()
    if tonumber(redis.call('HGET', K.pace, 'trimmed')) == slot_now then
        return
    end
    redis.call('HSET', K.pace, 'trimmed', slot_now)
    for _, key in ipairs({K.line, K.left, K.patient, K.kept}) do
        redis.call('BITOP', 'OR', key, key)
    end
end

local function forget_moves()
    local over = redis.call('ZCARD', K.moved) - MOVES_KEPT
    if over > 0 then
        local last = redis.call('ZRANGE', K.moved, over - 1, over - 1, 'WITHSCORES')[2]
        redis.call('ZREMRANGEBYSCORE', K.moved, '-inf', last)
        redis.call('HSET', K.pace, 'moves_from', last)
    end
end

local function weed()
    local before = redis.call('BITCOUNT', K.line)
    redis.call('BITOP', 'OR', K.kept, K.kept, K.age_0, K.age_1, K.age_2)
    redis.call('BITOP', 'AND', K.line, K.line, K.kept)
    live_into(K.kept)
    redis.call('HINCRBY', K.totals, 'expired', before - redis.call('BITCOUNT', K.line))
    redis.call('HSET', K.pace, 'kept_ms', now_ms)
end

local function end_sessions()
    local over = redis.call('ZRANGEBYSCORE', K.shopping, '-inf', now_ms, 'LIMIT', 0, END_MAX)
    for _, number in ipairs(over) do
        redis.call('ZREM', K.shopping, number)
        moved(number)
        record('ended', number)
    end
    redis.call('HINCRBY', K.totals, 'expired', #over)
    return #over
end

local function lapse(number)
    redis.call('ZREM', K.turns, number)
    moved(number)
    redis.call('SETBIT', K.line, number, 1)
    redis.call('SETBIT', K.kept, number, 1)
    turns_resolved({number}, true)
    record('lapsed', number)
end

-- A turn that its visitor watched run out must not come straight back: the slot goes on, and the next sign of life
-- puts the visitor first again.
local function lapse_due()
    local over = redis.call('ZRANGEBYSCORE', K.turns, '-inf', now_ms, 'LIMIT', 0, LAPSE_MAX)
    for _, number in ipairs(over) do
        lapse(number)
        for _, key in ipairs({K.age_0, K.age_1, K.age_2}) do
            redis.call('SETBIT', key, number, 0)
        end
    end
    return #over
end

-- Whoever falls silent does so when a slot begins, so turns are looked through once a slot, over as many ticks as it takes.
local function lapse_silent()
    local swept_slot, from = unpack(redis.call('HMGET', K.pace, 'swept_slot', 'swept'))
    if tonumber(swept_slot) ~= slot_now then
        from = 0
    elseif not from then
        return 0
    end
    local looked, silent = redis.call('ZRANGE', K.turns, from, from + SILENT_MAX - 1), 0
    for _, number in ipairs(looked) do
        if not is_live(number) then
            lapse(number)
            silent = silent + 1
        end
    end
    redis.call('HSET', K.pace, 'swept_slot', slot_now, 'swept', from + #looked - silent)
    if #looked < SILENT_MAX then
        redis.call('HDEL', K.pace, 'swept')
    end
    return silent
end

-- The lowest bits of line AND live are the next turns: the front is found anew each tick, so who was passed over while
-- silent is first on return, and no cursor can go stale.
local function grant(room, cost)
    local granted, from = 0, 0
    live_into(K.scratch_0)
    redis.call('BITOP', 'AND', K.scratch_0, K.scratch_0, K.line)
    while granted < room do
        local number = redis.call('BITPOS', K.scratch_0, 1, from, -1, 'BIT')
        if number < 0 then
            break
        end
        let_in(number, cost)
        granted, from = granted + 1, number + 1
    end
    redis.call('DEL', K.scratch_0)
    redis.call('HINCRBY', K.totals, 'admitted', granted)
    return granted
end

-- Every gateway must have had the time to say who of a new draw, or of a rebuilt line, is here.
local function is_quiet()
    local opened, cohorts = opened_draws(ARGV[5])
    local greeted, quiet_ms = unpack(redis.call('HMGET', K.pace, 'greeted', 'quiet_ms'))
    if cohorts < opened then
        return true
    end
    if tonumber(greeted) < cohorts then
        quiet_ms = math.max(tonumber(quiet_ms), now_ms + DRAW_GRACE_MS)
        redis.call('HSET', K.pace, 'greeted', cohorts, 'quiet_ms', quiet_ms)
    end
    if now_ms < tonumber(quiet_ms) then
        return true
    end
    redis.call('HDEL', K.pace, 'ungreeted_from')
    return false
end

local function room_for_turns(left, cost, burst, cap)
    local must_wait, free = is_quiet(), units_free()
    if must_wait or free == 0 then
        return 0
    end
    -- Turns that cannot be confirmed, because Postgres is away, do not pile up to be shown all at once.
    local shown = math.floor(burst * TURN / cost) - redis.call('ZCARD', K.granted)
    return math.min(ADMIT_MAX, math.floor(left / cost), cap - inside(), free + ARGV[4] - turns_out(), shown)
end

-- What came back is filled in before what is owed is taken out, whichever was first: of all orders it allows the least.
local function refill(rate, burst, factor)
    local turns_left, refilled_ms, owed, regained =
        unpack(redis.call('HMGET', K.pace, 'turns_left', 'refilled_ms', 'owed', 'regained'))
    redis.call('HDEL', K.pace, 'owed', 'regained')
    local earned = math.floor(math.max(0, now_ms - refilled_ms) * rate * TURN / 1000 * factor / ONE)
    local full = math.min(burst * TURN, math.max(TURN, burst * TURN * factor / ONE))
    return math.floor(math.min(full, turns_left + earned + (regained or 0))) - (owed or 0)
end

local function admit(factor)
    local rate, burst, cap = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    redis.call('HSET', K.pace, 'cap', cap, 'overbook', ARGV[4], 'allowed', ARGV[10])
    local left, cost = refill(rate, burst, factor), turn_cost()
    local room = room_for_turns(left, cost, burst, cap)
    if room > 0 then
        left = left - cost * grant(room, cost)
    end
    redis.call('HSET', K.pace, 'turns_left', left, 'refilled_ms', now_ms)
end

-- A sorted set has the numbers of one moment in the order of their digits, 1000 before 999. Of one moment are at most as
-- many as are delivered, so the first of twice as many are the first of all.
local function unconfirmed()
    local granted, oldest = redis.call('ZRANGE', K.granted, 0, 2 * ADMIT_MAX - 1, 'WITHSCORES'), {}
    for index = 1, #granted, 2 do
        oldest[#oldest + 1] = {number = tonumber(granted[index]), at_ms = tonumber(granted[index + 1])}
    end
    table.sort(oldest, function(one, other)
        return one.at_ms < other.at_ms or one.at_ms == other.at_ms and one.number < other.number
    end)
    local turns = {}
    for index = 1, math.min(#oldest, ADMIT_MAX) do
        local number = oldest[index].number
        local is_patient = redis.call('GETBIT', K.patient, number)
        turns[#turns + 1], turns[#turns + 2], turns[#turns + 3] = number, oldest[index].at_ms, is_patient
    end
    return turns
end

-- Who came back is told to one tick, and not again before that tick's gateway had the time to write it down.
local function returned()
    local at_ms, told_ms, count, lowest =
        unpack(redis.call('HMGET', K.pace, 'told_at_ms', 'told_ms', 'told_count', 'told_lowest'))
    if not at_ms then
        count, lowest = unpack(redis.call('HMGET', K.pace, 'returned_count', 'returned_lowest'))
        if not count then
            return {}
        end
        at_ms = now_ms
        redis.call('HDEL', K.pace, 'returned_count', 'returned_lowest')
        redis.call('HSET', K.pace, 'told_at_ms', at_ms, 'told_count', count, 'told_lowest', lowest)
    elseif now_ms - told_ms < TELL_AGAIN_MS then
        return {}
    end
    redis.call('HSET', K.pace, 'told_ms', now_ms)
    return {tonumber(at_ms), tonumber(count), tonumber(lowest)}
end

local gap = gap_ms()
if gap ~= 0 then
    pass_over(gap)
end
local last_ms = tonumber(redis.call('HGET', K.pace, 'steered_ms') or now_ms)
local elapsed_ms = math.min(math.max(0, now_ms - last_ms), STEP_MAX_MS)
redis.call('HSET', K.pace, 'ticked_ms', raw_ms, 'steered_ms', now_ms)
grow_old()
trim()
forget_moves()
if now_ms - redis.call('HGET', K.pace, 'kept_ms') >= KEPT_MS then
    weed()
end

local seen = take_pulse(ARGV[7], ARGV[8])
watch_postgres(seen)
watch_stripe(seen, elapsed_ms)
local why = stand_or_go()
local ended, lapsed = 0, 0
if why then
    if gap == 0 then
        redis.call('HINCRBY', K.pace, 'refilled_ms', now_ms - last_ms)
    end
else
    ended = end_sessions()
    lapsed = lapse_due() + lapse_silent()
    local factor = steer(seen, elapsed_ms)
    if ARGV[6] == 'admitting' then
        admit(factor)
    end
end
return {
    'ticked', tonumber(epoch), ended, lapsed,
    unconfirmed(),
    redis.call('ZRANGE', K.events, 0, EVENTS_MAX - 1),
    returned(),
    tonumber(redis.call('HGET', K.pace, 'factor')),
    why or 'none',
}
