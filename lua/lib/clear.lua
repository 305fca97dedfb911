-- clear: what resets and deletions share.

-- What the field clearing of a sale keeps: what paused was before, and the command that began; nil for
-- a sale that is not being cleared.
local function clearing_of(clearing)
  return string.match(clearing or "", "^(%S+) (.+)$")
end
