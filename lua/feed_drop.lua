-- feed_drop: takes entries out of a feed, also when a consumer group has not read them.
--
-- KEYS[1] feed [stream]  what happened to orders
-- ARGV[1...] ids [entry id]  at most 1000
--
-- Returns how many entries were dropped
-- Writes what drops them; a group for which no entry is left has then read all of the feed. The
--   same again changes nothing more.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/groups

if came_late() then return "late" end

local feed = KEYS[1]
if #KEYS ~= 1 or #ARGV < 1 or #ARGV > 1000 then
  error({ err = "ERR feed_drop takes the feed and 1 to 1000 entry ids" })
end
if redis.call("EXISTS", feed) == 0 then
  return 0
end
local groups = groups_of(feed)
for name in pairs(groups) do
  redis.call("XACK", feed, name, unpack(ARGV))
end
local dropped = redis.call("XDEL", feed, unpack(ARGV))
local last = "0-" .. digits(last_seq(feed))
for name, group in pairs(groups) do
  if #redis.call("XRANGE", feed, "(" .. group["last-delivered-id"], "+", "COUNT", 1) == 0 then
    redis.call("XGROUP", "SETID", feed, name, last)
  end
end
return dropped
