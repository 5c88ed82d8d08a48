-- Included where signs of life are noted. A number's age is three bits in three bitmaps: 7 when it was heard, one less each
-- slot, silent at 0. So nobody is passed over before 15 s of silence and nobody stays live for longer than 17.5 s.
local SLOT_MS = 2500
local SLOTS = 7
local slot_now = math.floor(now_ms / SLOT_MS)

local function live_into(key)
    redis.call('BITOP', 'OR', key, K.age_0, K.age_1, K.age_2)
end

local function is_live(number)
    local bits = 0
    for _, key in ipairs({K.age_0, K.age_1, K.age_2}) do
        bits = bits + redis.call('GETBIT', key, number)
    end
    return bits > 0
end

-- All ages at once, one less where it is not 0. With `live` the OR of the old bits: bit 0 flips where live, bit 1 flips
-- where live and bit 0 was clear, bit 2 falls where both now show 3, which is where it was 4.
local function age_once()
    live_into(K.scratch_0)
    redis.call('BITOP', 'XOR', K.age_1, K.scratch_0, K.age_1, K.age_0)
    redis.call('BITOP', 'XOR', K.age_0, K.scratch_0, K.age_0)
    redis.call('BITOP', 'AND', K.scratch_0, K.age_2, K.age_1, K.age_0)
    redis.call('BITOP', 'XOR', K.age_2, K.age_2, K.scratch_0)
    redis.call('DEL', K.scratch_0)
end

-- Brings the ages up to this slot. A clock that went back ages nobody.
local function grow_old()
    local slot = tonumber(redis.call('HGET', K.pace, 'slot'))
    if slot_now == slot then
        return
    end
    redis.call('BITOP', 'OR', K.kept, K.kept, K.age_0, K.age_1, K.age_2)
    for _ = slot + 1, math.min(slot_now, slot + SLOTS) do
        age_once()
    end
    redis.call('HSET', K.pace, 'slot', slot_now)
end

-- Silent numbers in line were heard again: whoever is behind them has more people ahead, and the log must say why.
local function came_back(count, lowest)
    local known = tonumber(redis.call('HGET', K.pace, 'returned_lowest') or lowest)
    redis.call('HSET', K.pace, 'returned_lowest', math.min(known, lowest))
    redis.call('HINCRBY', K.pace, 'returned_count', count)
end
