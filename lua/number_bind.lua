-- number_bind: binds an openid and a student number to each other.
--
-- KEYS[1] numbers [hash]   openid -> number
-- KEYS[2] openids [hash]   number -> openid
-- ARGV[1] openid  [text]   who speaks
-- ARGV[2] number  [text]   the student's number
--
-- Returns {bound}; {repeated}: they were bound to each other; {bound_otherwise, number}: the openid
--   has another number, and keeps it; {taken}: the number has another openid, and keeps it
-- Writes for bound and for repeated, both ways: replicas are waited for from the last write
--   on, and a repeat was written before.
-- Flags: none, so nothing is bound when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline

if came_late() then return "late" end

local numbers, openids = KEYS[1], KEYS[2]
local openid, number = ARGV[1], ARGV[2]
if #KEYS ~= 2 or #ARGV ~= 2 then
  error({ err = "ERR number_bind takes 2 keys, an openid and a number" })
end

local bound = redis.call("HGET", numbers, openid)
local holder = redis.call("HGET", openids, number)
if bound and bound ~= number then
  return { "bound_otherwise", bound }
end
if holder and holder ~= openid then
  return { "taken" }
end
-- One way alone was left by hand: the other is put right.
redis.call("HSET", numbers, openid, number)
redis.call("HSET", openids, number, openid)
return { bound and holder and "repeated" or "bound" }
