-- Included, after handover.lua, where units are found for many requests in one call, each of which sees the tiers as those
-- before it left them. What Redis has is read when it is first asked for and changed in memory; `write_found` writes it at the
-- end. Nothing becomes free meanwhile, so what Redis says is not free is not, and what it says is free was before the call.
local PAGE_BYTES = 256 -- of `free` read at once

local pages, bytes = {}, {}

local function free_byte(index)
    local byte = bytes[index]
    if not byte then
        local at = index % PAGE_BYTES
        local from = index - at
        pages[from] = pages[from] or redis.call('GETRANGE', K.free, from, from + PAGE_BYTES - 1)
        byte = string.byte(pages[from], at + 1) or 0
        bytes[index] = byte
    end
    return byte
end

local tiers = {}

-- A tier as the requests so far left it; false when there is none of that name.
local function tier_of(name)
    if tiers[name] == nil then
        local free, held, all = unpack(redis.call('HMGET', K.stock, 'free:' .. name, 'held:' .. name, 'all:' .. name))
        tiers[name] = free and {
            name = name,
            base = tonumber(redis.call('HGET', K.tiers, name)),
            free = tonumber(free),
            held = tonumber(held),
            all = tonumber(all or 0),
            lowest = false, -- below it nothing is free
            places_for = {}, -- n → where in `runs` the first row with n side by side is
            found = {}, -- units, for all requests
            changed = {}, -- the set of their rows
        }
    end
    return tiers[name]
end

local function is_free(place)
    local at = place % 8
    return free_byte((place - at) / 8) % 2 ^ (8 - at) >= 2 ^ (7 - at)
end

-- The first free place from there on, before the end of its tier.
local function next_free(place, last)
    while place >= 0 and place <= last do
        local at = place % 8
        local index = (place - at) / 8
        local rest = free_byte(index) % 2 ^ (8 - at)
        if rest > 0 then
            local _, bits = math.frexp(rest)
            return index * 8 + 8 - bits
        end
        place = redis.call('BITPOS', K.free, '1', index * 8 + 8, last, 'BIT')
    end
end

-- The lowest so many that are free; nil when there are fewer, though `stock` says otherwise.
local function lowest_free(tier, quantity)
    local units, last = {}, tier.base + TIER_BITS - 1
    tier.lowest = tier.lowest or redis.call('BITPOS', K.free, '1', tier.base, last, 'BIT')
    local place = tier.lowest - 1
    for index = 1, quantity do
        place = next_free(place + 1, last)
        if not place then
            return nil
        end
        units[index] = place - tier.base
    end
    tier.lowest = tier.base + units[1]
    return units
end

-- Seats side by side, as near to the middle of the row as its free runs allow; of two that are as near, the lower. Nil when
-- there are none.
local function in_row(tier, rows, row, quantity)
    if row > #rows / ROW_BYTES - 2 then
        return nil
    end
    local first, past = row_first(rows, row), row_first(rows, row + 1)
    local seats = past - first
    local ideal = math.floor((seats - quantity) / 2)
    local nearest, distance
    each_run(free_byte, tier.base + first, tier.base + past, function(run, length)
        local start = math.max(run, math.min(ideal, run + length - quantity))
        local off = math.abs(2 * start + quantity - seats)
        if length >= quantity and (not nearest or off < distance) then
            nearest, distance = start, off
        end
    end)
    local units = nearest and {}
    for seat = 1, nearest and quantity or 0 do
        units[seat] = first + nearest + seat - 1
    end
    return units
end

-- Seats in the first row that has so many side by side, and the row; false when none has. Nil when `runs` says of a row what
-- is not so; of one that changed in this call it says what was.
local function together(tier, quantity)
    local rows = quantity <= RUN_MAX and rows_of(tier.name)
    if not rows then
        return false
    end
    local from = runs_base(tier.base, quantity)
    local last = from + ROW_BITS - 1
    local place = tier.places_for[quantity] or redis.call('BITPOS', K.runs, '1', from, last, 'BIT')
    local units
    while place >= 0 do
        units = in_row(tier, rows, place - from, quantity)
        if units or not tier.changed[place - from] then
            break
        end
        place = place < last and redis.call('BITPOS', K.runs, '1', place + 1, last, 'BIT') or -1
    end
    tier.places_for[quantity] = place
    if place < 0 then
        return false
    end
    return units, place - from
end

-- Of these units, those that are not free.
local function those_taken(tier, units)
    local taken = {}
    for _, unit in ipairs(units) do
        if unit >= TIER_BITS or not is_free(tier.base + unit) then
            taken[#taken + 1] = unit
        end
    end
    return taken
end

-- Units that are free are not any more; `row` is theirs, where the caller knows it.
local function keep_found(tier, units, row)
    local found, count = tier.found, #tier.found
    for index, unit in ipairs(units) do
        local place = tier.base + unit
        local at = place % 8
        local byte = (place - at) / 8
        bytes[byte] = free_byte(byte) - 2 ^ (7 - at)
        found[count + index] = unit
    end
    tier.free, tier.held = tier.free - #units, tier.held + #units
    local rows = not row and rows_of(tier.name)
    if row then
        tier.changed[row] = true
    elseif rows then
        rows_with(rows, units, tier.changed)
    end
end

-- All that was found is held.
local function write_found()
    for _, tier in pairs(tiers) do
        if tier and #tier.found > 0 then
            table.sort(tier.found) -- those side by side are written at once
            units_held(tier.name, tier.base, tier.found, tier.changed)
        end
    end
end
