-- order_expire: gives back the orders of a batch that nobody confirmed in time: their units to
-- their stocks, at the head and in their order, and their buyers free to grab again.
--
-- KEYS[1] orders  [hash]    order id -> record
-- KEYS[2] holds   [zset]    order id by deadline
-- KEYS[3] feed    [stream]  what happened to orders
-- KEYS[4...] four for each sale of the orders:
--   sale [hash] kind, paused, clearing, feed, counters; stock [list or string]; buyers [hash]
-- ARGV[1] again   [ms]      how long an order that is broken or stopped is left alone
-- ARGV[2...] goods [sale id], one for each sale, in the order of the keys; then the order ids
--
-- Returns {late, answer...}: how late the latest expired order is [ms], and one answer for each id:
--   expired: just now; not_due: its deadline has not passed; settled: it is not held any more;
--   stopped: Redis has forgotten orders of a sale of it, or that is being cleared; or, with the
--   reason in the same text, broken: it or a sale of it cannot be read or does not add up
-- Writes for "expired" what the change needs. Puts the hold right for the others, so that they are
--   not in the way of the next batch: it gets the deadline of the record, or goes, or, when broken
--   or stopped, comes up again later. The same batch again changes nothing more.
-- Flags: allow-oom, so that what was granted is settled when Redis is full.
-- Uses: lib/clock, lib/number, lib/stock, lib/gone, lib/order, lib/feed, lib/deaths, lib/change

local orders, holds, feed = KEYS[1], KEYS[2], KEYS[3]
local again = whole(ARGV[1], nil, "again")
local count = (#KEYS - 3) / 4
if count < 0 or count % 1 ~= 0 or #ARGV < count + 2 then
  error({ err = "ERR order_expire takes 3 keys and 4 for each sale, again, the sales "
    .. "and the orders" })
end
local sales, ids = {}, {}
for n = 1, count do
  sales[ARGV[n + 1]] = { key = KEYS[4 * n], stock = KEYS[4 * n + 1], buyers = KEYS[4 * n + 2],
    gone = KEYS[4 * n + 3] }
end
for n = count + 2, #ARGV do
  ids[#ids + 1] = ARGV[n]
end
if #ids > 1000 then -- unpack returns 8000 values at most
  error({ err = "ERR order_expire takes at most 1000 orders, not " .. #ids })
end

local now = now_ms()
local records = redis.call("HMGET", orders, unpack(ids))
redis.call("ZCARD", holds) -- raises here, before the first write, if it is no zset
local change = change_of("held", "expired", digits(now), sales)
local late, seen, settled, moved = 0, {}, {}, {}

local function postpone(id)
  moved[#moved + 1], moved[#moved + 2] = digits(now + again), id
end

-- The word for one order, which then is part of the change if it expires.
local function judge(id, record)
  if not record then
    error({ err = "ERR order " .. id .. " has no record" })
  end
  local order = order_read(id, record)
  if order.state ~= "held" or seen[id] then
    settled[#settled + 1] = id
    return "settled"
  end
  if order.at >= now then
    moved[#moved + 1], moved[#moved + 2] = digits(order.at), id
    return "not_due"
  end
  for _, line in ipairs(order.lines) do
    if change_sale(change, line.goods).stopped then
      postpone(id)
      return "stopped"
    end
  end
  change_add(change, order)
  seen[id] = true
  late = math.max(late, now - order.at)
  return "expired"
end

local answers = {}
for n, id in ipairs(ids) do
  local judged, answer = pcall(judge, id, records[n])
  if not judged then
    postpone(id)
    answer = "broken: " .. (type(answer) == "table" and answer.err or tostring(answer))
  end
  answers[n] = answer
end

change_write(change, orders, holds, feed)
if #settled > 0 then
  redis.call("ZREM", holds, unpack(settled))
end
if #moved > 0 then
  redis.call("ZADD", holds, "XX", unpack(moved))
end
return { late, unpack(answers) }
