-- Lets go of a sale that ended: what Redis has of it goes by itself after a while, in which late questions are answered.
--
-- KEYS
--   1 epoch  2 clock_offset  3 paused  4 standstill  5 next  6 reserved  7 line  8 age:0  9 age:1  10 age:2  11 kept
--   12 left  13 patient  14 granted  15 turns  16 shopping  17 charges  18 pace  19 totals  20 pulses  21 events
--   22 free  23 tiers  24 stock  25 holds  26 due  27 claims  28 rows  29 runs  30 held  31 moved
-- ARGV
--   1 how long it is kept (s)
-- Returns
--   unloaded   it goes in that time, the epoch with the rest; `visitors` and `request` go by their own TTL
-- Invariant: nothing else changes.
-- Repeat: harmless; the time begins anew.
-- Cost: O(keys).
assert(#KEYS == 31 and #ARGV == 1, 'sale_unload takes 31 keys and 1 argument')

for _, key in ipairs(KEYS) do
    redis.call('EXPIRE', key, ARGV[1])
end
return {'unloaded'}
