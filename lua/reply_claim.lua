-- reply_claim: decides who answers a message that may be delivered several times.
--
-- KEYS[1] reply   [string] "?", the owner of a claim, TAB, the end of the lease in ms, TAB, the
--   note; or "=" and the reply
-- ARGV[1] owner   [text]   who would answer; no other owner has this text
-- ARGV[2] lease   [ms]     how long the owner has for it
-- ARGV[3] memory  [ms]     how long to remember the message from now on
--
-- Returns {claimed, note}: the message is the owner's, and this is the note of the owner
--   before, empty when there is none; {pending}: another owner's, whose lease runs; or {repeated,
--   reply}: it was answered
-- Writes only for claimed: the claim, with the note that was left.
-- Flags: allow-oom, so that people can give back and leave when Redis is full: it takes one key for
--   a minute, which will hold the reply. What must not be begun then is refused by the script that
--   would begin it.
-- Uses: lib/clock, lib/deadline, lib/number, lib/claim

if came_late() then return "late" end

local reply = KEYS[1]
local owner, lease, memory = ARGV[1], ARGV[2], ARGV[3]
if #KEYS ~= 1 or #ARGV ~= 3 or not string.find(owner, "^[^\t]+$") then
  error({ err = "ERR reply_claim takes 1 key, an owner without TAB, a lease and a time" })
end
local now = now_ms()
local ends = now + whole(lease, nil, "lease")

local found = remembered(reply)
if found and found.reply then
  return { "repeated", found.reply }
end
if found and now < found.ends then
  return { "pending" }
end
local note = found and found.note or ""
redis.call("SET", reply, claim_text(owner, ends, note), "PX", memory)
return { "claimed", note }
