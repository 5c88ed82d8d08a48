-- Reads a hold.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds
-- ARGV
--   1 hold
-- Returns
--   not_loaded          Redis was lost
--   found hold record   the hold as it is now
--   not_found           there is no such hold, or it ended long ago
-- Invariant: reads only.
-- Repeat: safe.
-- Cost: O(1).
assert(#KEYS == 3 and #ARGV == 1, 'hold_look takes 3 keys and 1 argument')

local record = redis.call('HGET', K.holds, ARGV[1])
if not record then
    return {'not_found'}
end
return {'found', ARGV[1], record}
