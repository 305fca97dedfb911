-- archive_orders: drops exported dead orders of an archived event, and all that names them.
--
-- KEYS[1] archived [string]  when the event was archived
-- KEYS[2] feed     [stream]  what happened to orders
-- KEYS[3] orders   [hash]    order id -> record
-- KEYS[4] holds    [zset]    order id by deadline
-- KEYS[5] requests [hash]    username TAB request id -> order id
-- KEYS[6...] two for each sale of the event: sale [hash] kind, archived, gone; gone [hash]
-- ARGV[1...] goods [sale id], one for each sale, in the order of the keys; then the order ids
--
-- Returns {dropped, orders}, or a refusal that changes nothing: {not_archived}: the event was
--   deleted meanwhile | {feed_left}: entries of the feed would tell of orders that have no record
-- Writes only for orders that are cancelled or expired, and counts them in the field archived of
--   their sales. The same batch again changes nothing more.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/order, lib/drop

if came_late() then return "late" end

local archived, feed, orders, holds, requests = unpack(KEYS, 1, 5)
local count = (#KEYS - 5) / 2
if count < 1 or count % 1 ~= 0 or #ARGV < count + 1 then
  error({ err = "ERR archive_orders takes 5 keys and 2 for each sale, the sales and the orders" })
end
local drop = drop_of("archive_orders", count, orders, holds, requests)

-- Read. Every key is read with the type that it is written with, and every number is one.

if redis.call("EXISTS", archived) == 0 then
  return { "not_archived" }
end
if redis.call("XLEN", feed) > 0 then
  return { "feed_left" }
end
local sales = {}
for n = 1, count do
  local goods, key = ARGV[n], KEYS[2 * n + 4]
  local kind, before = unpack(redis.call("HMGET", key, "kind", "archived"))
  whole(before, 0, "archived of sale " .. goods)
  sales[goods] = { key = key, gone = KEYS[2 * n + 5], exists = kind, orders = 0 }
end
local records = drop_read(drop)

-- Adds the order of a record if it is dead.
local function take(id, record)
  local order = order_read(id, record)
  if order.state ~= "cancelled" and order.state ~= "expired" then
    return
  end
  local request = order.username .. order.request
  local asked = order.request ~= "" and redis.call("HGET", requests, request) == id
  drop_add(drop, id, asked and request or nil)
  for _, line in ipairs(order.lines) do
    local sale = sales[line.goods]
    if sale then -- else it was deleted
      sale.orders = sale.orders + 1
    end
  end
end

for n, id in ipairs(drop.ids) do
  if records[n] then
    take(id, records[n])
  end
end
if #drop.gone == 0 then
  return { "dropped", 0 }
end

-- Write.

for _, sale in pairs(sales) do
  if sale.exists and sale.orders > 0 then
    redis.call("HINCRBY", sale.key, "archived", sale.orders)
  end
  -- What counts the dead orders of each buyer would count what is not there any more.
  redis.call("UNLINK", sale.gone)
  redis.call("HDEL", sale.key, "gone", "gone_most", "gone_since")
end
drop_write(drop)
return { "dropped", #drop.gone }
