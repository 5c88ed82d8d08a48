-- Says again who was given more time. Joining says it first; the place tokens keep it when Redis is lost.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 patient
-- ARGV
--   1… numbers
-- Returns
--   not_loaded   Redis was lost
--   allowed      noted; numbers that nobody has are passed over
-- Invariant: more time is never taken back.
-- Repeat: safe; bits are only set.
-- Cost: O(numbers), bounded by the caller (ALLOW_MAX).
assert(#KEYS == 4 and #ARGV >= 1, 'queue_allow takes 4 keys and numbers')

local last = tonumber(redis.call('GET', K.next))
for _, number in ipairs(ARGV) do
    if tonumber(number) <= last then
        redis.call('SETBIT', K.patient, number, 1)
    end
end
return {'allowed'}
