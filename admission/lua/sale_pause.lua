-- Notes that the organizer paused a sale or lets it go on. A pause stops admission, new holds and the clocks of turns,
-- sessions and holds; they go on with what was left, when no other reason to stand still is left either.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 paused  7 standstill  8 turns  9 shopping
--   10 totals  11 events  12 pace  13 moved
-- ARGV
--   1 paused or running  2 the version of the sale that says so
-- Returns
--   not_loaded   Redis was lost
--   done         the organizer's last word counts: this one, or a later one that was told before
-- Invariant: nothing of a turn, a session or a hold elapses while the sale stands still; an older version changes nothing.
-- Repeat: safe; pausing keeps the first moment of the pause, resuming moves the clocks once.
-- Cost: O(inside · log n) when the sale goes on, once a pause.
assert(#KEYS == 13 and #ARGV == 2, 'sale_pause takes 13 keys and 2 arguments')

local version = tonumber(redis.call('HGET', K.standstill, 'version') or 0)
if tonumber(ARGV[2]) >= version then
    redis.call('HSET', K.standstill, 'organizer', ARGV[1], 'version', ARGV[2])
    stand_or_go()
end
return {'done'}
