-- Reads all that says of a unit whether it is free or held, as it is at one moment: for an audit.
--
-- KEYS
--   1 epoch  2 clock_offset  3 holds  4 due  5 claims  6 free  7 tiers  8 stock  9 rows  10 runs  11 held
-- ARGV
--   none
-- Returns
--   not_loaded   Redis was lost
--   looked [tier base …] [count value …] [tier rows …] free held runs [number hold record …]
--                `free`, `held` and `runs` are whole bitmaps; then every claim, and every hold of nobody's, with the record of
--                the hold, empty when there is none
-- Invariant: reads only.
-- Repeat: safe.
-- Cost: O(units / 4 + rows) bytes + O(claims + holds that are due soon) records: milliseconds, so nothing that is asked
-- every second.
assert(#KEYS == 11 and #ARGV == 0, 'stock_look takes 11 keys and no arguments')

local found = {}
each_claim(function(number, id, record)
    found[#found + 1] = number
    found[#found + 1] = id
    found[#found + 1] = record
end)
return {
    'looked',
    redis.call('HGETALL', K.tiers),
    redis.call('HGETALL', K.stock),
    redis.call('HGETALL', K.rows),
    redis.call('GET', K.free) or '',
    redis.call('GET', K.held) or '',
    redis.call('GET', K.runs) or '',
    found,
}
