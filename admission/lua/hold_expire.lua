-- The sweep: frees holds that are due, names frozen ones that are due, forgets ended ones.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 pace
-- ARGV
--   1 the most holds to look at  2 when to name a frozen hold again (ms)
-- Returns
--   not_loaded                     Redis was lost
--   swept [expired …] [frozen …]   ids of holds that expired here, and of frozen ones to ask Postgres about
-- Invariant: a hold expires exactly once, by any number of sweepers; a frozen hold is never freed here; while the sale
-- stands still no hold expires.
-- Repeat: harmless; an expired hold is not named twice, which only costs the caller a log line. A frozen hold that was
-- named to nobody is named again.
-- Cost: O(holds looked at × their units).
assert(#KEYS == 10 and #ARGV == 2, 'hold_expire takes 10 keys and 2 arguments')

local running = clock_ms() == now_ms
local expired, frozen = {}, {}

local function sweep(id)
    local hold = hold_read(id)
    local state = hold and hold.state
    if state == 'frozen' then
        redis.call('ZADD', K.due, now_ms + ARGV[2], id)
        frozen[#frozen + 1] = id
    elseif state ~= 'held' then
        redis.call('ZREM', K.due, id)
        redis.call('HDEL', K.holds, id)
    elseif running then
        units_leave(hold.units, all_return)
        hold_end(hold, 'expired')
        expired[#expired + 1] = id
    end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms, 'LIMIT', 0, ARGV[1])) do
    sweep(id)
end
return {'swept', expired, frozen}
