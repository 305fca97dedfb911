-- reply_claim: decides who answers a message that may be delivered several times.
--
-- KEYS[1] reply   [string] "?" and the owner of a claim, or "=" and the reply
-- ARGV[1] owner   [text]   who would answer; nobody else's
-- ARGV[2] lease   [ms]     how long he has for it
--
-- Returns {claimed}: the message is the owner's; {pending}: somebody else's, whose lease runs; or
--   {repeated, reply}: it was answered
-- Writes only for claimed: the claim, which ends with its lease.
-- Flags: none, so nothing new is begun when Redis is read-only, full or cannot persist.
-- Uses: none

local reply = KEYS[1]
local owner, lease = ARGV[1], ARGV[2]
if #KEYS ~= 1 or #ARGV ~= 2 then
  error({ err = "ERR reply_claim takes 1 key, an owner and a lease" })
end

local found = redis.call("GET", reply)
if not found then
  redis.call("SET", reply, "?" .. owner, "PX", lease)
  return { "claimed" }
end
local mark = string.sub(found, 1, 1)
if mark == "=" then
  return { "repeated", string.sub(found, 2) }
end
if mark ~= "?" then
  error({ err = "ERR " .. reply .. " is neither a claim nor a reply" })
end
return { "pending" }
