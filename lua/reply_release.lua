-- reply_release: gives up a claim, so that the next delivery of the message may be answered.
--
-- KEYS[1] reply   [string] "?" and the owner of a claim, or "=" and the reply
-- ARGV[1] owner   [text]   who claimed the message
--
-- Returns released; or lost: the owner has no claim any more
-- Writes only for released: the claim is gone.
-- Flags: allow-oom, so what was begun is finished when Redis is full.
-- Uses: none

local reply = KEYS[1]
local owner = ARGV[1]
if #KEYS ~= 1 or #ARGV ~= 1 then
  error({ err = "ERR reply_release takes 1 key and an owner" })
end

if redis.call("GET", reply) ~= "?" .. owner then
  return "lost"
end
redis.call("DEL", reply)
return "released"
