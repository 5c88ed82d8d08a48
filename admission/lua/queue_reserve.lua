-- Raises the mark up to which numbers may be handed out. Postgres has the block already.
--
-- KEYS
--   1 epoch  2 clock_offset  3 reserved
-- ARGV
--   1 the new high-water mark
-- Returns
--   not_loaded   Redis was lost
--   raised       the mark is at least that high
-- Invariant: the mark never falls within an epoch.
-- Repeat: safe; the mark is a maximum.
-- Cost: O(1).
assert(#KEYS == 3 and #ARGV == 1, 'queue_reserve takes 3 keys and 1 argument')

if tonumber(ARGV[1]) > tonumber(redis.call('GET', K.reserved)) then
    redis.call('SET', K.reserved, ARGV[1])
end
return {'raised'}
