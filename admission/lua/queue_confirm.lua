-- Takes note of what Postgres has of a tick: begins its turns, forgets its events.
--
-- KEYS
--   1 epoch  2 clock_offset  3 paused  4 patient  5 granted  6 turns  7 pace  8 events  9 moved
-- ARGV
--   1 epoch  2 claim window (ms)  3 how many times that is for those with more time  4 the moment of who came back (ms), or
--   0  5 how many grants  6… number, granted at (ms) …  then events as the tick delivered them
-- Returns
--   not_loaded        Redis was lost
--   confirmed count   how many turns began by this call
--   stale_epoch       Redis was rebuilt since, from a Postgres that knows better
-- Invariant: a turn is shown, and its window runs, only after Postgres has that very grant: a gateway that slept since the
-- tick does not confirm a later grant of the same number.
-- Repeat: safe; a number leaves `granted` once.
-- Cost: O(grants and events · log n), bounded by what a tick delivers.
assert(#KEYS == 9 and #ARGV >= 5, 'queue_confirm takes 9 keys and 5 or more arguments')

if ARGV[1] ~= epoch then
    return {'stale_epoch'}
end

local first_event = 6 + 2 * ARGV[5]
local began = 0
for index = 6, first_event - 1, 2 do
    local number = ARGV[index]
    if redis.call('ZSCORE', K.granted, number) == ARGV[index + 1] then
        local times = redis.call('GETBIT', K.patient, number) == 1 and ARGV[3] or 1
        redis.call('ZREM', K.granted, number)
        redis.call('ZADD', K.turns, clock_ms() + ARGV[2] * times, number)
        moved(number)
        began = began + 1
    end
end
for index = first_event, #ARGV do
    redis.call('ZREM', K.events, ARGV[index])
end
if ARGV[4] ~= '0' and redis.call('HGET', K.pace, 'told_at_ms') == ARGV[4] then
    redis.call('HDEL', K.pace, 'told_at_ms', 'told_ms', 'told_count', 'told_lowest')
end
return {'confirmed', began}
