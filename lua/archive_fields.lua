-- archive_fields: drops exported fields of a hash of an archived event: its requests, or its
-- payments.
--
-- KEYS[1] archived [string]  when the event was archived
-- KEYS[2] hash     [hash]    requests or payments
-- ARGV[1...] pairs of a field and the value that was exported: at most 1000 pairs
--
-- Returns {dropped, fields}, or {not_archived}: the event was deleted meanwhile, and nothing
--   changes
-- Writes only for fields that have this value. The same again changes nothing more.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline

if came_late() then return "late" end

local archived, hash = KEYS[1], KEYS[2]
if #KEYS ~= 2 or #ARGV < 2 or #ARGV % 2 ~= 0 or #ARGV > 2000 then
  error({ err = "ERR archive_fields takes archived, a hash and 1 to 1000 pairs of field "
    .. "and value" })
end
if redis.call("EXISTS", archived) == 0 then
  return { "not_archived" }
end
local dropped = 0
for n = 1, #ARGV, 2 do
  if redis.call("HGET", hash, ARGV[n]) == ARGV[n + 1] then
    dropped = dropped + redis.call("HDEL", hash, ARGV[n])
  end
end
return { "dropped", dropped }
