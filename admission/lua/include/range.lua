-- Included where consecutive numbers begin to wait: sets the bits from `first` to `last`, in one write of their bytes. The
-- bytes inside are all ones; those at the edges keep what they had.
local function set_range(key, first, last)
    local from, to = math.floor(first / 8), math.floor(last / 8)
    local front = math.floor(0xff / 2 ^ (first % 8))
    local back = 0xff - math.floor(0x7f / 2 ^ (last % 8))
    local had = redis.call('GETRANGE', key, from, from)
    local had_at_end = redis.call('GETRANGE', key, to, to)
    local function byte(had_here, ones)
        return string.char(bit.bor(string.byte(had_here) or 0, ones))
    end
    if from == to then
        redis.call('SETRANGE', key, from, byte(had, bit.band(front, back)))
        return
    end
    local inner = string.rep('\255', to - from - 1)
    redis.call('SETRANGE', key, from, byte(had, front) .. inner .. byte(had_at_end, back))
end
