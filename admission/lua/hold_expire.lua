-- The sweep: frees holds that are due, names frozen ones that are due, forgets ended ones.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 paused  10 pace  11 rows
--   12 runs  13 held
-- ARGV
--   1 the most holds to look at, those that a standstill keeps not counted
--   2 when to name a frozen hold again whose time is over (ms)  3 when to name one again that has time left (ms)
-- Returns
--   not_loaded                            Redis was lost
--   swept [expired …] [frozen …] [over …] ids of holds that expired here, of frozen ones that have time left and may have
--                                         an order, and of frozen ones whose time is over: Postgres must decide them
-- Invariant: a hold expires exactly once, by any number of sweepers; a frozen hold is never freed here; while the sale
-- stands still no hold expires, and no buyer's frozen one's time is over. A hold of nobody's has the clock itself: an
-- abandoned one is over in a pause, too, and waits behind no KEPT_MAX holds that the pause keeps.
-- Repeat: harmless; an expired hold is not named twice, which only costs the caller a log line. A frozen hold that was
-- named to nobody is named again.
-- Cost: O(holds looked at × their units), and in a standstill O(KEPT_MAX) more.
assert(#KEYS == 13 and #ARGV == 3, 'hold_expire takes 13 keys and 3 arguments')

local KEPT_MAX = 10000 -- holds that a standstill keeps and that are looked past: some milliseconds

local clock = clock_ms()
local running = clock == now_ms
local expired, frozen, over = {}, {}, {}

-- One with time left is named again at its end at the latest; while the clock stands, as much later as it has left.
local function name_frozen(hold)
    local left_ms = hold.expires_ms - (hold.number == NOBODY and now_ms or clock)
    local named = left_ms > 0 and frozen or over
    named[#named + 1] = hold.id
    redis.call('ZADD', K.due, now_ms + (left_ms > 0 and math.min(left_ms, ARGV[3]) or ARGV[2]), hold.id)
end

-- Whether it is kept because the clock stands: then it stays in front of those that are due after it.
local function is_kept(id)
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
        return true
    end
end

local kept = 0
repeat
    local ids = redis.call('ZRANGEBYSCORE', K.due, '-inf', now_ms, 'LIMIT', kept, ARGV[1])
    for _, id in ipairs(ids) do
        kept = kept + (is_kept(id) and 1 or 0)
    end
until #expired + #frozen + #over > 0 or #ids < tonumber(ARGV[1]) or kept >= KEPT_MAX
return {'swept', expired, frozen, over}
