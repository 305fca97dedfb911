-- number_unbind: frees an openid and its student number from each other.
--
-- KEYS[1] numbers [hash]   openid -> number
-- KEYS[2] openids [hash]   number -> openid
-- ARGV[1] openid  [text]   who speaks
--
-- Returns {unbound, number}; or {not_bound}: the openid had none
-- Writes only for unbound, both ways. The tickets of the number stay its own.
-- Flags: allow-oom, so people can leave when Redis is full.
-- Uses: none

local numbers, openids = KEYS[1], KEYS[2]
local openid = ARGV[1]
if #KEYS ~= 2 or #ARGV ~= 1 then
  error({ err = "ERR number_unbind takes 2 keys and an openid" })
end

local number = redis.call("HGET", numbers, openid)
if not number then
  return { "not_bound" }
end
local holder = redis.call("HGET", openids, number)
redis.call("HDEL", numbers, openid)
if holder == openid then
  redis.call("HDEL", openids, number)
end
return { "unbound", number }
