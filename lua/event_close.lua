-- event_close: prevents that sales are created in an event that is about to be deleted.
--
-- KEYS[1] deleted [hash]  sale id -> number of its last history; * while the event is being deleted
--
-- Returns closed
-- Writes the field * of deleted, which event_delete removes. A repeat changes nothing more.
-- Flags: allow-oom, because what follows shrinks.
-- Uses: lib/clock, lib/deadline

if came_late() then return "late" end

if #KEYS ~= 1 or #ARGV ~= 0 then
  error({ err = "ERR event_close takes one key and no arguments" })
end
redis.call("HSET", KEYS[1], "*", "1")
return "closed"
