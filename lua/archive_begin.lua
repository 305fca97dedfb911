-- archive_begin: closes an event that is over for good, so that what nobody needs of it may be
-- dropped.
--
-- KEYS[1] archived [string]  when the event was archived for the first time [ms]
-- KEYS[2] deleted  [hash]    sale id -> number of its last history; * while no sale may be created
-- KEYS[3] feed     [stream]  what happened to orders
-- KEYS[4...] sale  [hash]    kind, closes_at, clearing: every sale of the event
-- ARGV[1...] ids   [sale id] one for each sale, in the order of the keys
--
-- Returns {begun}, or a refusal that changes nothing: {no_such_event} | {not_ended, id} |
--   {not_ended, id, closes_at [ms]} | {being_cleared, command} | {feed_needed, group}
-- Writes archived for "begun", and ends in each case what event_close began. From then on no sale
--   of the event opens again, none is created in it, and no payment is made.
-- Flags: allow-oom, because what follows shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/groups, lib/clear

if came_late() then return "late" end

local archived, deleted, feed = KEYS[1], KEYS[2], KEYS[3]
if #KEYS < 3 or #ARGV ~= #KEYS - 3 then
  error({ err = "ERR archive_begin takes archived, deleted, the feed, the sales and their ids" })
end
local now = now_ms()

-- Why the event cannot be archived yet; nil: it can.
local function refusal()
  for n, id in ipairs(ARGV) do
    local kind, closes_at, clearing =
      unpack(redis.call("HMGET", KEYS[n + 3], "kind", "closes_at", "clearing"))
    local _, command = clearing_of(clearing)
    if command then
      return { "being_cleared", command }
    end
    if kind and whole(closes_at, now, "closes_at of sale " .. id) >= now then
      return { "not_ended", id, closes_at or nil }
    end
  end
  local group = group_behind(feed)
  if group then
    return { "feed_needed", group }
  end
  return #ARGV == 0 and { "no_such_event" } or nil
end

local refused = refusal()
redis.call("HDEL", deleted, "*")
if refused then
  return refused
end
redis.call("SET", archived, digits(now), "NX")
return { "begun" }
