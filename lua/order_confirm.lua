-- order_confirm: makes a held order a sold one.
--
-- KEYS[1] orders  [hash]    order id -> record
-- KEYS[2] holds   [zset]    order id by deadline
-- KEYS[3] feed    [stream]  what happened to orders
-- KEYS[4...] sale [hash]    kind, feed, counters: one for each sale of the order
-- ARGV[1] order   [id]      which one
-- ARGV[2] waits   [0|1]     the caller waits for replicas: an answer about the past writes a little
-- ARGV[3...] goods [sale id], one for each sale, in the order of the keys
--
-- Returns {changed | repeated | expired | cancelled | not_confirmable, record}, or {no_such_order}:
--   repeated when the order had been confirmed before, expired or cancelled when that came first
--   and nothing changed; a bid is not_confirmable, whatever its state: no payment waits for a word
--   here
-- Writes only for "changed", so a repeat is safe. The deadline plays no part: until the order is
--   expired, it can be confirmed. With waits, an order that was not changed has its record written
--   again as it is: replicas are waited for from the last write on.
-- Flags: allow-oom, so that what was granted is settled when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/gone, lib/order, lib/feed, lib/deaths,
--   lib/change

if came_late() then return "late" end

local orders, holds, feed = KEYS[1], KEYS[2], KEYS[3]
local id, waits = ARGV[1], ARGV[2] == "1"
if #KEYS < 4 or #ARGV ~= #KEYS - 1 then
  error({ err = "ERR order_confirm takes 3 keys and one for each sale, order, waits "
    .. "and the sales" })
end
local sales = {}
for n = 4, #KEYS do
  sales[ARGV[n - 1]] = { key = KEYS[n] }
end

local order = order_of(orders, id, "")
if not order then
  return { "no_such_order" }
end
local before = {
  confirmed = "repeated", used = "repeated", cancelled = "cancelled", expired = "expired",
}
local answer = order.lines[1].bid and "not_confirmable" or before[order.state]
if answer then
  return unchanged(answer, orders, order, waits)
end

redis.call("ZCARD", holds) -- raises here, before the first write, if it is no zset
local change = change_of("held", "confirmed", digits(now_ms()), sales)
change_add(change, order)
return { "changed", change_write(change, orders, holds, feed)[1] }
