-- Gives visitors the next numbers, or the numbers they already have: a batch, answered in the order it was asked.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 reserved  5 line  6 age:0  7 age:1  8 age:2  9 kept  10 patient  11 granted
--   12 turns  13 shopping  14 pace  15 totals  16 scratch:0  17… visitors
-- ARGV
--   1 how long `visitors` is kept (s)  2 how many draws have opened  3 the caller's mark (`epoch last admitted`)
--   4… for each ask: which of the keys of `visitors` (from 1), the holder's field in it (bytes), the number that the
--   holder's place token proves or empty, more or usual (time)
-- Returns
--   not_loaded                        Redis was lost, or its last writes were
--   answered epoch [word, number …]   an ask each: `new` at the end of the line; `existing`, a live place; with 0 for a
--     number `reserve`, every reserved one is out, or `drawing`, a draw's numbers come first
-- Invariant: a number is handed out once, and only up to `reserved`; numbers grow in the order of the asks. I9: `visitors`
-- is not rebuilt with the rest, so after a loss of Redis the proof is what finds a place again.
-- Repeat: safe; the second call finds the places of the first and answers existing.
-- Cost: O(asks), bounded by the caller (JOIN_BATCH_MAX): 3 commands for a new one and 20 for the batch.
assert(#KEYS >= 16 and #ARGV >= 3 and #ARGV % 4 == 3, 'queue_join takes 16 or more keys and 4 arguments an ask after 3')

if is_of_the_past(ARGV[3]) then
    redis.call('DEL', K.epoch)
    return {'not_loaded'}
end

local VISITORS = 16 -- keys before the first of `visitors`

grow_old()
local before = tonumber(redis.call('GET', K.next))
local reserved = tonumber(redis.call('GET', K.reserved))
local opened, cohorts = opened_draws(ARGV[2])
local last = before

local function hear(number)
    if redis.call('GETBIT', K.line, number) == 1 and not is_live(number) then
        came_back(1, tonumber(number))
    end
    for _, key in ipairs({K.age_0, K.age_1, K.age_2}) do
        redis.call('SETBIT', key, number, 1)
    end
end

local function has_place(number)
    return number > before and number <= last
        or redis.call('GETBIT', K.line, number) == 1
        or redis.call('ZSCORE', K.granted, number)
        or redis.call('ZSCORE', K.turns, number)
        or redis.call('ZSCORE', K.shopping, number)
end

local function remember(visitors, field, number)
    redis.call('HSET', visitors, field, number)
    redis.call('EXPIRE', visitors, ARGV[1])
end

-- The place that the holder has: the one Redis knows, or the one the token proves.
local function place_of(visitors, field, proven)
    local known = redis.call('HGET', visitors, field)
    if known and has_place(tonumber(known)) then
        return tonumber(known)
    end
    if proven ~= '' and tonumber(proven) <= before and has_place(tonumber(proven)) then
        remember(visitors, field, proven)
        return tonumber(proven)
    end
    return nil
end

local patient = {}

local function join(visitors, field, proven, time)
    local number, word = place_of(visitors, field, proven), 'existing'
    if number and number <= before then
        hear(number)
    elseif not number then
        if cohorts < opened then
            return 'drawing', 0
        elseif last >= reserved then
            return 'reserve', 0
        end
        last = last + 1
        number, word = last, 'new'
        remember(visitors, field, number)
    end
    if time == 'more' then
        patient[#patient + 1] = number
    end
    return word, number
end

local answers = {}
for index = 4, #ARGV, 4 do
    local visitors = KEYS[VISITORS + ARGV[index]]
    answers[#answers + 1], answers[#answers + 2] = join(visitors, ARGV[index + 1], ARGV[index + 2], ARGV[index + 3])
end
if last > before then
    redis.call('SET', K.next, last)
    redis.call('HINCRBY', K.totals, 'joined', last - before)
    for _, key in ipairs({K.line, K.age_0, K.age_1, K.age_2}) do
        set_range(key, before + 1, last)
    end
end
for _, number in ipairs(patient) do
    redis.call('SETBIT', K.patient, number, 1)
end
return {'answered', tonumber(epoch), answers}
