-- bid_cancel: cancels a bid while its target is not full: the amount goes back to the target and to
-- the account that paid it, and the account gives the bonus back.
--
-- KEYS[1] orders   [hash]   order id -> record
-- KEYS[2] feed     [stream] what happened to orders
-- KEYS[3] sale     [hash]   kind, cancel_until, feed, counters
-- KEYS[4] stock    [string] cents left to the target
-- KEYS[5] accounts [hash]   username -> balance in cents
-- KEYS[6] changes  [string] how often the accounts changed
-- ARGV[1] order    [id]     which one
-- ARGV[2] waits    [0|1]    the caller waits for replicas: an answer about the past writes a little
-- ARGV[3] buyer    [name]   whose order it must be; empty: any buyer's
-- ARGV[4] goods    [sale id] the target
--
-- Returns {changed | repeated | not_cancellable, record}, or {no_such_order}: repeated if the bid
--   had been cancelled before, not_cancellable if the target is full, or has no cancel_until, or
--   that has passed
-- Writes only for "changed", so a repeat is safe. A balance never falls: no bonus is more than what
--   was accepted. With waits, the record of an order that was not changed is written again:
--   replicas are waited for from the last write on.
-- Flags: allow-oom, so that what was accepted is settled when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/gone, lib/order, lib/feed, lib/account,
--   lib/deaths, lib/change

if came_late() then return "late" end

local orders, feed, sale, stock, accounts, changes = unpack(KEYS)
local id, waits, buyer, goods = ARGV[1], ARGV[2] == "1", ARGV[3], ARGV[4]
if #KEYS ~= 6 or #ARGV ~= 4 then
  error({ err = "ERR bid_cancel takes 6 keys, order, waits, buyer and goods" })
end

local order = order_of(orders, id, buyer)
if not order then
  return { "no_such_order" }
end
local line = order.lines[1]
local bid = line.bid
if #order.lines ~= 1 or line.goods ~= goods or not bid then
  error({ err = "UNREADABLE order " .. id .. " is not a bid for " .. goods })
end

if order.state == "cancelled" then
  return unchanged("repeated", orders, order, waits)
elseif order.state ~= "confirmed" then
  error({ err = "UNREADABLE order " .. id .. " is a bid, but " .. order.state })
end

-- Read. Every key is read with the type that it is written with, and every number is checked.

local now = now_ms()
local kind, cancel_until, fed, confirmed =
  unpack(redis.call("HMGET", sale, "kind", "cancel_until", "feed", "confirmed"))
if kind ~= "target" then
  error({ err = "UNREADABLE sale " .. goods .. " has "
    .. (kind and "the kind " .. kind or "no kind") })
end
confirmed = whole(confirmed, 0, "confirmed")
if confirmed < line.purchase then
  error({ err = "UNREADABLE order " .. id .. " has " .. digits(line.purchase) .. " cents and sale "
    .. goods .. " counts only " .. digits(confirmed) })
end
if stock_left(kind, stock) == 0 or now > whole(cancel_until, -1, "cancel_until") then
  return unchanged("not_cancellable", orders, order, waits)
end
local balance = account_balance(accounts, changes, order.username)
if bid.paid and not balance then
  error({ err = "UNREADABLE order " .. id .. " was paid by " .. order.username
    .. ", who has no account" })
end

-- Write. Only the entry of the feed can fail, if other entries were written into it by hand; then
-- nothing is written.

local at = digits(now)
if fed ~= "0" then
  feed_add(feed, "cancelled", id, at)
end
local cancelled = order_record(order, "cancelled", at)
redis.call("HSET", orders, id, cancelled)
redis.call("HINCRBY", sale, "confirmed", -line.purchase)
redis.call("INCRBY", stock, line.purchase)
if bid.paid then
  account_write(accounts, changes, order.username, balance + line.purchase - bid.bonus)
end
return { "changed", cancelled }
