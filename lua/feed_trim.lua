-- feed_trim: drops the entries of a feed that every consumer group has settled.
--
-- KEYS[1] feed    [stream]          what happened to orders
--
-- Returns how many entries were dropped. An entry that some group has not read, or has read and
--   not acknowledged, stays, and so do all that come after it. Without a group, everything stays.
-- Writes the feed. It drops whole nodes of the stream (up to 100 entries) and at most 10,000
--   entries in a call, so it never takes long; the count goes on from the last entry ever added.
-- Flags: allow-oom, because it frees memory.
-- Uses: lib/number, lib/groups

local feed = KEYS[1]
if #KEYS ~= 1 or #ARGV ~= 0 then
  error({ err = "ERR feed_trim takes 1 key and no arguments" })
end
if redis.call("EXISTS", feed) == 0 then
  return 0
end

local needed = math.huge
for _, group in pairs(groups_of(feed)) do
  needed = math.min(needed, first_needed(feed, group))
end
if needed == math.huge then
  return 0
end
return redis.call("XTRIM", feed, "MINID", "~", "0-" .. digits(needed))
