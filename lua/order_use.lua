-- order_use: marks a confirmed order as handed out.
--
-- KEYS[1] orders  [hash]    order id -> record
-- KEYS[2] feed    [stream]  what happened to orders
-- KEYS[3...] sale [hash]    kind, feed, counters: one for each sale of the order
-- ARGV[1] order   [id]      which one
-- ARGV[2] waits   [0|1]     the caller waits for replicas: an answer about the past writes a little
-- ARGV[3...] goods [sale id], one for each sale, in the order of the keys
--
-- Returns {changed | repeated | not_confirmed | cancelled | expired | not_usable, record}, or
--   {no_such_order}: repeated when the order had been used before, the others when nothing changed;
--   a bid is not_usable: there is nothing to hand out
-- Writes only for "changed", so a repeat is safe. With waits, an order that was not changed has its
--   record written again as it is: replicas are waited for from the last write on.
-- Flags: allow-oom, so that what was granted is settled when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/gone, lib/order, lib/feed, lib/deaths,
--   lib/change

if came_late() then return "late" end

local orders, feed = KEYS[1], KEYS[2]
local id, waits = ARGV[1], ARGV[2] == "1"
if #KEYS < 3 or #ARGV ~= #KEYS then
  error({ err = "ERR order_use takes 2 keys and one for each sale, order, waits and the sales" })
end
local sales = {}
for n = 3, #KEYS do
  sales[ARGV[n]] = { key = KEYS[n] }
end

local order = order_of(orders, id, "")
if not order then
  return { "no_such_order" }
end
local before = {
  used = "repeated", held = "not_confirmed", cancelled = "cancelled", expired = "expired",
}
local answer = before[order.state] or order.lines[1].bid and "not_usable"
if answer then
  return unchanged(answer, orders, order, waits)
end

local change = change_of("confirmed", "used", digits(now_ms()), sales)
change_add(change, order)
return { "changed", change_write(change, orders, nil, feed)[1] }
