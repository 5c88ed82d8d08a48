-- The sweep: frees holds that are due, names frozen ones that are due, forgets ended ones.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 pace  11 rows
--   12 runs  13 held
-- ARGV
--   1 the most holds to look at  2 when to name a frozen hold again whose time is over (ms)
--   3 when to name one again that has time left (ms)
-- Returns
--   not_loaded                            Redis was lost
--   swept [expired …] [frozen …] [over …] ids of holds that expired here, of frozen ones that have time left and may have
--                                         an order, and of frozen ones whose time is over: Postgres must decide them
-- Invariant: a hold expires exactly once, by any number of sweepers; a frozen hold is never freed here; while the sale
-- stands still no hold expires, and no buyer's frozen one's time is over. A hold of nobody's has the clock itself: an
-- abandoned one is over in a pause, too, and waits behind no hold that the pause keeps.
-- Repeat: harmless; an expired hold is not named twice, which only costs the caller a log line. A frozen hold that was
-- named to nobody is named again.
-- Cost: O(holds looked at × their units).
assert(#KEYS == 13 and #ARGV == 3, 'hold_expire takes 13 keys and 3 arguments')

local clock = clock_ms()
local running = clock == now_ms
local expired, frozen, over = {}, {}, {}

-- While the clock stands, a hold that is due is put behind the others: what ends a standstill sets when it is due anew.
local function put_off(id)
    redis.call('ZADD', K.due, now_ms + ARGV[2], id)
end

-- One with time left is named again at its end at the latest; while the clock stands, as much later as it has left.
local function name_frozen(hold)
    local left_ms = hold.expires_ms - (hold.number == NOBODY and now_ms or clock)
    local named = left_ms > 0 and frozen or over
    named[#named + 1] = hold.id
    redis.call('ZADD', K.due, now_ms + (left_ms > 0 and math.min(left_ms, ARGV[3]) or ARGV[2]), hold.id)
end

local function sweep(id)
    local hold = hold_read(id)
    local state = hold and hold.state
    if state == 'frozen' then
        name_frozen(hold)
    elseif state ~= 'held' then
        redis.call('ZREM', K.due, id)
        redis.call('HDEL', K.holds, id)
    elseif running then
        units_leave(hold.units, all_return)
        hold_end(hold, 'expired')
        expired[#expired + 1] = id
    else
        put_off(id)
    end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms, 'LIMIT', 0, ARGV[1])) do
    sweep(id)
end
return {'swept', expired, frozen, over}
