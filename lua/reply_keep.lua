-- reply_keep: remembers the reply to a claimed message for its next deliveries.
--
-- KEYS[1] reply   [string] "?", the owner of a claim, TAB, the end of the lease in ms, TAB, the
--   note; or "=" and the reply
-- ARGV[1] owner   [text]   who claimed the message
-- ARGV[2] text    [text]   the reply
-- ARGV[3] memory  [ms]     how long to remember it
--
-- Returns kept; or lost: the lease ran out, and somebody else claimed or answered the message
-- Writes only for kept: the reply, which is forgotten after its time.
-- Flags: allow-oom, so what was begun is finished when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/claim

if came_late() then return "late" end

local reply = KEYS[1]
local owner, text, memory = ARGV[1], ARGV[2], ARGV[3]
if #KEYS ~= 1 or #ARGV ~= 3 or owner == "" then
  error({ err = "ERR reply_keep takes 1 key, an owner, a text and a time" })
end

local found = remembered(reply)
-- A message that was forgotten is nobody else's: the reply is still the only one.
if found and found.owner ~= owner then
  return "lost"
end
redis.call("SET", reply, "=" .. text, "PX", memory)
return "kept"
