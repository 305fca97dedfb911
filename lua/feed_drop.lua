-- feed_drop: takes entries out of a feed, whoever still needs them.
--
-- KEYS[1] feed [stream]  what happened to orders
-- ARGV[1...] ids [entry id]  at most 1000
--
-- Returns how many entries were dropped
-- Writes what drops them; the same again changes nothing more.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/groups

local feed = KEYS[1]
if #KEYS ~= 1 or #ARGV < 1 or #ARGV > 1000 then
  error({ err = "ERR feed_drop takes the feed and 1 to 1000 entry ids" })
end
if redis.call("EXISTS", feed) == 0 then
  return 0
end
for name in pairs(groups_of(feed)) do
  redis.call("XACK", feed, name, unpack(ARGV))
end
return redis.call("XDEL", feed, unpack(ARGV))
