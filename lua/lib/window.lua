-- window: whether a sale sells at an instant. A stop wins; both ends of the window are inclusive.

-- Why nobody gets anything at now, whatever is left; nil while the sale is open.
local function closed_at(now, paused, opens_at, closes_at)
  if paused == "forgot" then
    return "forgot"
  elseif paused == "1" then
    return "paused"
  elseif now < opens_at then
    return "not_started"
  elseif now > whole(closes_at, now, "closes_at") then
    return "ended"
  end
end
