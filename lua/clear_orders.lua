-- clear_orders: drops orders of sales that are being reset or deleted, and all that names them but
-- the feed. Units of orders that are alive go back to the head of the stock.
--
-- KEYS[1] orders   [hash]  order id -> record
-- KEYS[2] holds    [zset]  order id by deadline
-- KEYS[3] requests [hash]  username TAB request id -> order id
-- KEYS[4...] three for each sale:
--   sale [hash] kind, clearing, counters; stock [list or string]; buyers [hash]
-- ARGV[1...] goods [sale id], one for each sale, in the order of the keys; then the order ids
--
-- Returns {dropped, unreadable}: orders that were dropped, and those that stay because they cannot
--   be read
-- Writes only for orders whose lines are all of these sales, and not for bids that are alive and
--   were paid by an account. The same batch again changes nothing more.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/order, lib/drop

if came_late() then return "late" end

local orders, holds, requests = KEYS[1], KEYS[2], KEYS[3]
local count = (#KEYS - 3) / 3
if count < 1 or count % 1 ~= 0 or #ARGV < count + 1 then
  error({ err = "ERR clear_orders takes 3 keys and 3 for each sale, the sales and the orders" })
end
local drop = drop_of("clear_orders", count, orders, holds, requests)

-- Read. Every key is read with the type that it is written with, and every number is one.

local sales = {}
for n = 1, count do
  local goods, key, stock, buyers = ARGV[n], KEYS[3 * n + 1], KEYS[3 * n + 2], KEYS[3 * n + 3]
  local kind, clearing, held, confirmed, used =
    unpack(redis.call("HMGET", key, "kind", "clearing", "held", "confirmed", "used"))
  if not clearing then
    error({ err = "ERR sale " .. goods .. " is not being cleared" })
  end
  stock_counted(kind, stock)
  redis.call("HLEN", buyers)
  sales[goods] = { key = key, stock = stock, buyers = buyers, kind = kind, units = {}, back = 0,
    users = {}, held = whole(held, 0, "held"), confirmed = whole(confirmed, 0, "confirmed"),
    used = whole(used, 0, "used") }
end
local records = drop_read(drop)

-- Adds a line of an order that is alive to what its sale gets back.
local function give_back(line, order)
  local sale = sales[line.goods]
  sale[order.state] = math.max(0, sale[order.state] - line.purchase)
  sale.back = sale.back + line.purchase
  for _, unit in ipairs(line.units) do
    sale.units[#sale.units + 1] = unit
  end
end

local function is_of_these(order)
  for _, line in ipairs(order.lines) do
    if not sales[line.goods] or line.bid and line.bid.paid and order.state == "confirmed" then
      return false
    end
  end
  return true
end

local alive = { held = true, confirmed = true, used = true }
local dropped, unreadable = {}, 0

local function take(id, record)
  local order = order_read(id, record)
  if not is_of_these(order) then
    return
  end
  drop_add(drop, id, order.request ~= "" and order.username .. order.request or nil)
  dropped[#dropped + 1] = order
  for _, line in ipairs(alive[order.state] and order.lines or {}) do
    give_back(line, order)
  end
end

for n, id in ipairs(drop.ids) do
  if records[n] and not pcall(take, id, records[n]) then
    unreadable = unreadable + 1
  end
end
if #drop.gone == 0 then
  return { 0, unreadable }
end

-- Write.

-- Frees the buyers of these orders; a buyer whom an index knows with another order keeps that one.
local function free(order)
  for _, line in ipairs(order.lines) do
    local buyers = sales[line.goods].buyers
    if redis.call("HGET", buyers, order.username) == order.id then
      redis.call("HDEL", buyers, order.username)
    end
  end
end

for _, order in ipairs(dropped) do
  free(order)
end
for _, sale in pairs(sales) do
  redis.call("HSET", sale.key, "held", sale.held, "confirmed", sale.confirmed, "used", sale.used)
  if sale.kind == "list" then
    stock_return(sale.stock, sale.units)
  elseif sale.back > 0 then
    redis.call("INCRBY", sale.stock, digits(sale.back))
  end
end
drop_write(drop)
return { #drop.gone, unreadable }
