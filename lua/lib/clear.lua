-- clear: what resets and deletions share.

-- What the field clearing of a sale keeps: what paused was before, and the command that began; nil
-- for a sale that is not being cleared.
local function clearing_of(clearing)
  return string.match(clearing or "", "^(%S+) (.+)$")
end

-- Units, of a target cents, in the orders of a sale that are alive.
local function units_alive(sale)
  local units = 0
  for _, text in ipairs(redis.call("HMGET", sale, "held", "confirmed", "used")) do
    units = units + whole(text, 0, "a counter of " .. sale)
  end
  return units
end
