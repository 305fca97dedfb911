-- clear: what a reset and a deletion ask before anything goes.

-- Units, of a target cents, in the orders of a sale that are alive.
local function units_alive(sale)
  local units = 0
  for _, text in ipairs(redis.call("HMGET", sale, "held", "confirmed", "used")) do
    units = units + whole(text, 0, "a counter of " .. sale)
  end
  return units
end

-- The first consumer group that has not settled all of the feed, by name; nil when all have.
local function group_behind(feed)
  if redis.call("EXISTS", feed) == 0 then
    return nil
  end
  local last, behind = last_seq(feed), nil
  for name, group in pairs(groups_of(feed)) do
    if first_needed(feed, group) <= last and (not behind or name < behind) then
      behind = name
    end
  end
  return behind
end
