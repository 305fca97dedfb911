-- number_unbind: frees an openid and its student number from each other.
--
-- KEYS[1] numbers [hash]          openid -> number
-- KEYS[2] openids [hash]          number -> openid
-- ARGV[1] by      [openid|number] what the name is
-- ARGV[2] name    [text]          the openid who speaks, or the number that an operator frees
--
-- Returns {unbound, other}: the number, or the openid, that the name was bound to; {not_bound}
-- Writes only for unbound, both ways. The tickets of the number stay its own. A repeat finds
--   nothing and writes nothing.
-- Flags: allow-oom, so people can leave when Redis is full.
-- Uses: lib/clock, lib/deadline

if came_late() then return "late" end

local numbers, openids = KEYS[1], KEYS[2]
local by, name = ARGV[1], ARGV[2]
if #KEYS ~= 2 or #ARGV ~= 2 or (by ~= "openid" and by ~= "number") then
  error({ err = "ERR number_unbind takes 2 keys, openid or number, and its name" })
end

local there, back = numbers, openids
if by == "number" then
  there, back = openids, numbers
end
local other = redis.call("HGET", there, name)
if not other then
  return { "not_bound" }
end
-- By somebody's hand, the other may be bound to somebody else: that stays.
local own = redis.call("HGET", back, other) == name
redis.call("HDEL", there, name)
if own then
  redis.call("HDEL", back, other)
end
return { "unbound", other }
