-- archive_entries: drops exported entries of the feed, or of its dead letters, of an archived
-- event.
--
-- KEYS[1] archived [string]  when the event was archived
-- KEYS[2] feed     [stream]  what happened to orders
-- KEYS[3] stream   [stream]  which of both the entries are in: the feed, or the dead letters
-- ARGV[1...] ids   [entry id]  at most 1000
--
-- Returns {dropped, entries}, or a refusal that changes nothing: {not_archived}: the event was
--   deleted meanwhile | {feed_needed, group}: it has not read and acknowledged all of the feed
-- Writes for "dropped". The same again changes nothing more. The feed counts on from its last
--   entry.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/groups

if came_late() then return "late" end

local archived, feed, stream = KEYS[1], KEYS[2], KEYS[3]
if #KEYS ~= 3 or #ARGV < 1 or #ARGV > 1000 then
  error({ err = "ERR archive_entries takes archived, the feed, a stream and 1 to 1000 entry ids" })
end
if redis.call("EXISTS", archived) == 0 then
  return { "not_archived" }
end
local group = group_behind(feed)
if group then
  return { "feed_needed", group }
end
return { "dropped", redis.call("XDEL", stream, unpack(ARGV)) }
