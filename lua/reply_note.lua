-- reply_note: writes down what the owner of a message is about to do for it, for the next owner if
-- this one dies.
--
-- KEYS[1] reply   [string] "?", the owner of a claim, TAB, the end of the lease in ms, TAB, the
--   note; or "=" and the reply
-- ARGV[1] owner   [text]   who claimed the message
-- ARGV[2] note    [text]   what the owner will do; replaces an earlier note
--
-- Returns noted; or lost: somebody else claimed or answered the message, or it was forgotten
-- Writes only for noted: the note. Lease and memory end when they did.
-- Flags: allow-oom, so what was begun is finished when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/claim

if came_late() then return "late" end

local reply = KEYS[1]
local owner, note = ARGV[1], ARGV[2]
if #KEYS ~= 1 or #ARGV ~= 2 or owner == "" or note == "" then
  error({ err = "ERR reply_note takes 1 key, an owner and a note" })
end

local found = remembered(reply)
if not found or found.owner ~= owner then
  return "lost"
end
redis.call("SET", reply, claim_text(owner, found.ends, note), "KEEPTTL")
return "noted"
