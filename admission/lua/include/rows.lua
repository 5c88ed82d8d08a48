-- Included, after units.lua, where units of a tier with rows change hands. `rows` says of each such tier where its rows begin;
-- `runs` says of each row how many seats side by side are free in it: for every n up to RUN_MAX one bitmap of the rows with
-- at least n, so that the first row for n is one BITPOS. Whoever changes bits of `free` or `held` calls `rows_changed`
-- afterwards, which also counts in `stock` that the seats look different: by `changes` a gateway sees that its map is old.
local RUN_MAX = 20 -- the most units of one hold: nobody asks for more side by side
local ROW_BITS = 4096 -- room for the rows of each tier
local ROW_BYTES = 3 -- in `rows`, each row's first unit in order, and behind the last row the number of units

local rows_read = {} -- a script may ask often, and rows never change

-- Where the rows of a tier begin; nil for general admission.
local function rows_of(tier)
    if rows_read[tier] == nil then
        rows_read[tier] = redis.call('HGET', K.rows, tier)
    end
    return rows_read[tier] or nil
end

local function row_first(rows, row)
    local high, middle, low = string.byte(rows, row * ROW_BYTES + 1, row * ROW_BYTES + ROW_BYTES)
    return high * 65536 + middle * 256 + low
end

-- The row of a unit, by halving.
local function row_of(rows, unit)
    local lowest, highest = 0, #rows / ROW_BYTES - 2
    while lowest < highest do
        local middle = math.ceil((lowest + highest) / 2)
        if row_first(rows, middle) <= unit then
            lowest = middle
        else
            highest = middle - 1
        end
    end
    return lowest
end

-- Where in `runs` the bitmap of rows with n free side by side begins.
local function runs_base(base, n)
    return (base / TIER_BITS * RUN_MAX + n - 1) * ROW_BITS
end

-- Visits each run of free seats of a row: the first seat, counted in the row from 0, and how many there are. `byte_of` says
-- a byte of `free`. Most bytes are all free or all taken, and are passed at once.
local function each_run(byte_of, first, past, visit)
    local at, begun = first, nil
    while at < past do
        local place = at % 8
        local byte = byte_of((at - place) / 8)
        local whole = place == 0 and at + 8 <= past and (byte == 255 or byte == 0)
        local stop = whole and at + 1 or math.min(at - place + 8, past)
        local mask = 2 ^ (7 - place)
        for bit_at = at, stop - 1 do
            if byte % (2 * mask) >= mask then
                begun = begun or bit_at
            elseif begun then
                visit(begun - first, bit_at - begun)
                begun = nil
            end
            mask = mask / 2
        end
        at = whole and at + 8 or stop
    end
    if begun then
        visit(begun - first, past - begun)
    end
end

-- The bits of a row over all n are ones and then zeros: only those between what was and what is change.
local function row_changed(base, rows, row)
    local first, past = base + row_first(rows, row), base + row_first(rows, row + 1)
    local from, longest = math.floor(first / 8), 0
    local bytes = redis.call('GETRANGE', K.free, from, math.floor((past - 1) / 8))
    each_run(function(index)
        return string.byte(bytes, index - from + 1) or 0
    end, first, past, function(_, length)
        longest = math.max(longest, length)
    end)
    longest = math.min(longest, RUN_MAX)
    for n = longest, 1, -1 do
        if redis.call('SETBIT', K.runs, runs_base(base, n) + row, 1) == 1 then
            break
        end
    end
    for n = longest + 1, RUN_MAX do
        if redis.call('SETBIT', K.runs, runs_base(base, n) + row, 0) == 0 then
            break
        end
    end
end

-- Adds the rows of units to a set.
local function rows_with(rows, units, set)
    local first, past = 0, 0
    for _, unit in ipairs(units) do
        if unit < first or unit >= past then
            local row = row_of(rows, unit)
            first, past = row_first(rows, row), row_first(rows, row + 1)
            set[row] = true
        end
    end
    return set
end

-- Seats of a tier change hands: these became free or are not any more; none of them where only `held` changed. Who knows
-- the set of their rows says so.
local function rows_changed(tier, base, units, known)
    local rows = rows_of(tier)
    if not rows then
        return
    end
    redis.call('HINCRBY', K.stock, 'changes', 1)
    for row in pairs(known or rows_with(rows, units, {})) do
        row_changed(base, rows, row)
    end
end
