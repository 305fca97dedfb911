-- order_cancel: gives a held or confirmed order back: its units to their stocks, at the head and in
-- their order, and its buyer free to grab again.
--
-- KEYS[1] orders  [hash]    order id -> record
-- KEYS[2] holds   [zset]    order id by deadline
-- KEYS[3] feed    [stream]  what happened to orders
-- KEYS[4...] four for each sale of the order:
--   sale [hash] kind, cancel_until, feed, counters; stock [list or string]; buyers [hash]
-- ARGV[1] order   [id]      which one
-- ARGV[2] waits   [0|1]     the caller waits for replicas: an answer about the past writes a little
-- ARGV[3] buyer   [name]    whose order it must be; empty: anybody's
-- ARGV[4] door    [word]    where it is asked for: office, where the buyer is known; empty:
--   anywhere else
-- ARGV[5...] goods [sale id], one for each sale, in the order of the keys
--
-- Returns {changed | repeated | expired | used | not_cancellable, record}, or {no_such_order}:
--   repeated when the order had been cancelled before, the others when nothing changed. A confirmed
--   order is not_cancellable when one of its sales has no cancel_until, or that has passed. A
--   ticket, an order of a sale that has the field keyword, is no order to a buyer outside the
--   office
-- Writes only for "changed", so a repeat is safe. With waits, an order that was not changed has its
--   record written again as it is: replicas are waited for from the last write on.
-- Flags: allow-oom, so that what was granted is settled when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/gone, lib/order, lib/feed, lib/deaths,
--   lib/change

if came_late() then return "late" end

local orders, holds, feed = KEYS[1], KEYS[2], KEYS[3]
local id, waits, buyer, door = ARGV[1], ARGV[2] == "1", ARGV[3], ARGV[4]
local count = (#KEYS - 3) / 4
if count < 1 or count ~= #ARGV - 4 or (door ~= "" and door ~= "office") then
  error({ err = "ERR order_cancel takes 3 keys and 4 for each sale, order, waits, buyer, door and "
    .. "the sales" })
end
local sales = {}
for n = 1, count do
  sales[ARGV[n + 4]] = { key = KEYS[4 * n], stock = KEYS[4 * n + 1], buyers = KEYS[4 * n + 2],
    gone = KEYS[4 * n + 3] }
end

local order = order_of(orders, id, buyer)
if not order then
  return { "no_such_order" }
end
-- A ticket shows the name of its buyer, so outside the office the name alone proves nothing.
if buyer ~= "" and door ~= "office" then
  for _, sale in pairs(sales) do
    if redis.call("HEXISTS", sale.key, "keyword") == 1 then
      return { "no_such_order" }
    end
  end
end

local now = now_ms()
local before = { cancelled = "repeated", expired = "expired", used = "used" }
if before[order.state] then
  return unchanged(before[order.state], orders, order, waits)
end

redis.call("ZCARD", holds) -- raises here, before the first write, if it is no zset
local change = change_of(order.state, "cancelled", digits(now), sales)
change_add(change, order)
if order.state == "confirmed" then
  for _, line in ipairs(order.lines) do
    local cancel_until = redis.call("HGET", sales[line.goods].key, "cancel_until")
    if now > whole(cancel_until, -1, "cancel_until of sale " .. line.goods) then
      return unchanged("not_cancellable", orders, order, waits)
    end
  end
end
return { "changed", change_write(change, orders, holds, feed)[1] }
