-- Puts the numbers of a draw in line, all at once. Who has which of them is in Postgres and in the place tokens.
--
-- KEYS
--   1 epoch  2 clock_offset  3 next  4 reserved  5 line  6 kept  7 pace  8 totals
-- ARGV
--   1 which draw of the sale, from 1  2 its first number  3 its last number, below the first when nobody registered
-- Returns
--   not_loaded   Redis was lost
--   placed       the numbers wait; new visitors come behind them
--   known        the draw is here already; nothing changed
--   early        an earlier draw is not here yet
-- Invariant: numbers of a draw were never handed out otherwise: the script fails rather than let two have one.
-- Repeat: safe; the draw is known.
-- Cost: O(numbers / 8) bytes.
assert(#KEYS == 8 and #ARGV == 3, 'queue_cohort takes 8 keys and 3 arguments')

local ordinal, first, last = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local _, cohorts = opened_draws(ordinal)
if ordinal <= cohorts then
    return {'known'}
elseif ordinal > cohorts + 1 then
    return {'early'}
end
if last >= first then
    if tonumber(redis.call('GET', K.next)) >= first then
        return redis.error_reply('ERR queue_cohort: numbers of the draw were handed out')
    end
    set_range(K.line, first, last)
    set_range(K.kept, first, last) -- who is not here at the start has the full time to come
    redis.call('SET', K.next, last)
    redis.call('SET', K.reserved, math.max(last, tonumber(redis.call('GET', K.reserved))))
    redis.call('HINCRBY', K.totals, 'joined', last - first + 1)
    -- Nobody of it can be heard before the draw. Until it was greeted all of it counts as ahead of who comes now.
    redis.call('HSETNX', K.pace, 'ungreeted_from', first)
end
redis.call('HSET', K.pace, 'cohorts', ordinal)
return {'placed'}
