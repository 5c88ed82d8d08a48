-- Included where something is handed out that must not be handed out twice. After a failover to a replica that lags, or a
-- restart from an old dump, Redis looks whole and is of some seconds ago. A caller says the latest that it saw, `epoch last
-- admitted`; a Redis that knows less has lost writes and gives itself up, so that it is rebuilt in a new epoch.
local function is_of_the_past(mark)
    local seen_epoch, seen_last, seen_admitted = string.match(mark, '^(%d+) (%d+) (%d+)$')
    if tonumber(seen_epoch) ~= tonumber(epoch) then
        return tonumber(seen_epoch) > tonumber(epoch)
    end
    return tonumber(redis.call('GET', K.next)) < tonumber(seen_last)
        or tonumber(redis.call('HGET', K.totals, 'admitted')) < tonumber(seen_admitted)
end
