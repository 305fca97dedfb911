-- clear_undo: lets sales go on that were stopped to be reset or deleted, but were not.
--
-- KEYS[1...] sale [hash]  paused, clearing: one for each sale
--
-- Returns how many sales go on
-- Writes only to sales that have the field clearing. The same again changes nothing more.
-- Flags: allow-oom, so that it works when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/clear

if came_late() then return "late" end

if #KEYS < 1 or #ARGV ~= 0 then
  error({ err = "ERR clear_undo takes the sales and no arguments" })
end

local undone = 0
for _, sale in ipairs(KEYS) do
  local paused, clearing = unpack(redis.call("HMGET", sale, "paused", "clearing"))
  local stopped = clearing_of(clearing)
  if stopped then
    if paused ~= "forgot" and stopped == "0" then
      redis.call("HDEL", sale, "paused")
    elseif paused ~= "forgot" then
      redis.call("HSET", sale, "paused", stopped)
    end
    redis.call("HDEL", sale, "clearing")
    undone = undone + 1
  end
end
return undone
