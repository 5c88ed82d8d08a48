-- Included where it matters why a sale stands still: the organizer's reason first; nil when it does not.
local function reason()
    local organizer, postgres, stripe = unpack(redis.call('HMGET', K.standstill, 'organizer', 'postgres', 'stripe'))
    return organizer == 'paused' and 'organizer' or postgres and 'postgres' or stripe == 'open' and 'stripe' or nil
end
