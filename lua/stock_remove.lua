-- stock_remove: takes unsold units back out of a sale's stock, also while it sells.
--
-- KEYS[1] sale    [hash]            kind, counters
-- KEYS[2] stock   [list or string]  the units, or the number left, of a target in cents
-- ARGV[1] count   [units]           how many to take; fewer are taken when fewer are left
--
-- Returns {taken, left, unit...}: units taken, units left (below 0 when somebody decremented a
--   counter by hand), and which ones for list stock (the last added first), or no_such_sale
-- Writes only when it takes something. Sold units are out of reach. Not idempotent.
-- Flags: allow-oom, because it only shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock

if came_late() then return "late" end

local sale, stock = KEYS[1], KEYS[2]
local count = whole(ARGV[1], 0, "count")
if #KEYS ~= 2 or #ARGV ~= 1 or count < 1 then
  error({ err = "ERR stock_remove takes 2 keys and a count from 1" })
end

local kind, removed = unpack(redis.call("HMGET", sale, "kind", "removed"))
if not kind then
  return "no_such_sale"
end
whole(removed, 0, "removed")
local left = stock_counted(kind, stock)
local taken = math.min(count, math.max(0, left))
if taken == 0 then
  return { 0, left }
end

local units = {}
if kind == "list" then
  units = redis.call("RPOP", stock, taken)
else
  redis.call("DECRBY", stock, taken)
end
redis.call("HINCRBY", sale, "removed", taken)
local reply = { taken, left - taken }
for i, unit in ipairs(units) do
  reply[i + 2] = unit
end
return reply
