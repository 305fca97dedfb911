-- reply_release: gives up a claim, so that the next delivery of the message may be answered.
--
-- KEYS[1] reply   [string] "?", the owner of a claim, TAB, the end of the lease in ms, TAB, the
--   note; or "=" and the reply
-- ARGV[1] owner   [text]   who claimed the message
--
-- Returns released; or lost: the owner has no claim any more
-- Writes only for released: the claim is gone; but a note stays, for the next owner.
-- Flags: allow-oom, so what was begun is finished when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/claim

if came_late() then return "late" end

local reply = KEYS[1]
local owner = ARGV[1]
if #KEYS ~= 1 or #ARGV ~= 1 or owner == "" then
  error({ err = "ERR reply_release takes 1 key and an owner" })
end

local found = remembered(reply)
if not found or found.owner ~= owner then
  return "lost"
end
if found.note == "" then
  redis.call("DEL", reply)
else
  redis.call("SET", reply, claim_text("", 0, found.note), "KEEPTTL")
end
return "released"
