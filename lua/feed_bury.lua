-- feed_bury: moves an entry that cannot be delivered to the dead letters.
--
-- KEYS[1] feed    [stream]          what happened to orders
-- KEYS[2] dead    [stream]          entries that could not be delivered
-- ARGV[1] group   [text]            whose delivery failed
-- ARGV[2] id      [stream id]       the entry
-- ARGV[3] reason  [text]            why, for people
--
-- Returns buried; or not_pending: the group does not wait for this entry any more
-- Writes only for buried: adds {entry, reason, the group unless it is relay, and the fields that
--   the entry has} to the dead letters and acknowledges the entry.
-- Flags: allow-oom, so settling goes on when Redis is full.
-- Uses: none

local feed, dead = KEYS[1], KEYS[2]
local group, id, reason = ARGV[1], ARGV[2], ARGV[3]
if #KEYS ~= 2 or #ARGV ~= 3 then
  error({ err = "ERR feed_bury takes 2 keys, a group, an id and a reason" })
end

if #redis.call("XPENDING", feed, group, id, id, 1) == 0 then
  return "not_pending"
end
local letter = { "entry", id, "reason", reason }
if group ~= "relay" then
  letter[5], letter[6] = "group", group
end
local entry = redis.call("XRANGE", feed, id, id)[1]
for _, text in ipairs(entry and entry[2] or {}) do
  letter[#letter + 1] = text
end
-- Only the first write can fail, when the dead letters are no stream.
redis.call("XADD", dead, "*", unpack(letter))
redis.call("XACK", feed, group, id)
return "buried"
