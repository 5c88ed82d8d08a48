-- Included where liveness slots begin. A number is live when it was heard in the current slot or the three before, so
-- nobody is passed over before 15 s of silence and nobody stays live after 20 s.
local SLOT_MS = 5000
local slot_now = math.floor(now_ms / SLOT_MS)
