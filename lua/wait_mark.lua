-- wait_mark: writes something, so that replicas can be waited for.
--
-- KEYS[1] mark [string]  when the last one was written [ms]; it means nothing
--
-- Returns marked
-- Writes always: WAIT counts from the last write of its connection on, and a replica that has this
--   one has everything that was written before it, by any connection.
-- Flags: allow-oom, so that what was done when Redis was full can be waited for.
-- Uses: lib/clock, lib/number

if #KEYS ~= 1 or #ARGV ~= 0 then
  error({ err = "ERR wait_mark takes 1 key" })
end

redis.call("SET", KEYS[1], digits(now_ms()))
return "marked"
