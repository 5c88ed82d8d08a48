-- Included where something is handed out that must not be handed out twice. After a failover to a replica that lags, or a
-- restart from an old dump, Redis looks whole and is of some moments ago. It gives itself up, so that it is rebuilt in a new
-- epoch, and receipts give back what it does not know:
--   when it is another server than the one that was loaded: nobody can say what it was not sent, and a hold that is missing
--   shows nowhere; or
--   when a caller says that it saw more, `epoch last admitted`.

-- Which server, and which of its lives, this is (7 µs); nothing where we may not ask.
local function server_id()
    local info = redis.pcall('INFO', 'server')
    return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
end

local function is_another_server()
    local loaded = redis.call('HGET', K.pace, 'server') or '' -- not kept by earlier builds
    local now = server_id()
    return loaded ~= '' and now ~= '' and loaded ~= now
end

local function is_of_the_past(mark)
    local seen_epoch, seen_last, seen_admitted = string.match(mark, '^(%d+) (%d+) (%d+)$')
    if is_another_server() then
        return true
    elseif tonumber(seen_epoch) ~= tonumber(epoch) then
        return tonumber(seen_epoch) > tonumber(epoch)
    end
    return tonumber(redis.call('GET', K.next)) < tonumber(seen_last)
        or tonumber(redis.call('HGET', K.totals, 'admitted')) < tonumber(seen_admitted)
end
