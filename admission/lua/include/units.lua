-- Included where units are addressed. All tiers share one bitmap, so that every script knows its keys beforehand whatever
-- tiers a hold has; a tier's units begin at its base. In texts units are written `tier=0,1;tier=7`.
local TIER_BITS = 131072 -- room for each tier: the most units of a sale (100,000), in whole KiB; a tier may grow in place

local function each_unit(text, visit)
    for tier, list in string.gmatch(text, '([^=;]+)=([%d,]+)') do
        for unit in string.gmatch(list, '%d+') do
            visit(tier, tonumber(unit))
        end
    end
end
