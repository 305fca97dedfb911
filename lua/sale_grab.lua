-- sale_grab: decides a batch of attempts for one sale, in the order given.
--
-- KEYS[1] sale    [hash]            kind, keyword, window, purchase_max, paused, hold, feed,
--   history, orders_max, gone_most, counters
-- KEYS[2] stock   [list or string]  the units, or the number left
-- KEYS[3] buyers  [hash]            username -> order id
-- KEYS[4] orders  [hash]            order id -> record
-- KEYS[5] holds   [zset]            order id by deadline
-- KEYS[6] feed    [stream]          what happened to orders
-- KEYS[7] gone    [hash]            username -> dead orders
-- ARGV[1] goods   [sale id]         written into each record
-- ARGV[2] door    [list|counter|office]  the kind of stock that the door sells; the office sells
--   every sale that has the field keyword, and no other door does
-- ARGV[3] waits   [0|1]             the caller waits for replicas: every answer writes a little
-- ARGV[4] history [N-word]          of the past of the sale that the caller saw acknowledged, or
--   empty
-- ARGV[5] grants  [orders]          of that past
-- ARGV[6] granted_at [ms]           of that past
-- ARGV[7...] one triple for each attempt: username, purchase [units], order id if granted
--
-- Returns {left, grants, granted_at, phase, purchase_max, opens_in, history, answers}, as of after
--   the batch: units left, orders ever granted, ms of the last grant, open | paused | forgot |
--   not_started | ended | no_such_sale | wrong_door, most units in one attempt, ms until the window
--   opens (0: it has), history (empty: no such sale, or not its door);
--   then one text with an answer for each attempt, separated by the byte 30: "=" and the units,
--   separated by tabs, of its new order; an order that the buyer holds, as order_shown says it; or
--   no_such_sale | wrong_door | invalid_purchase | paused | forgot | not_started | ended |
--   sold_out | insufficient_stock | too_many_orders
-- Writes only for new orders: held ones when the sale has a hold, else confirmed ones. A buyer who
--   holds an order gets it in every state of the sale. With waits, a batch that grants nothing
--   writes waited_at of the sale: replicas are waited for from the last write on, and what its
--   answers rest on was written before. A sale that lost some of the past is stopped, and
--   grants nothing.
-- Flags: none, so selling stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/history, lib/window, lib/gone,
--   lib/record, lib/feed, lib/sale, lib/attempts

if came_late() then return "late" end

local key, stock, buyers, orders, holds, feed, gone = unpack(KEYS)
local goods, door, waits = ARGV[1], ARGV[2], ARGV[3] == "1"
local count = (#ARGV - 6) / 3
if #KEYS ~= 7 or count < 1 or count % 1 ~= 0 then
  error({ err = "ERR sale_grab takes 7 keys, goods, door, waits, history, grants, granted_at and "
    .. "one triple for each attempt" })
end
local past = past_of(ARGV[4], ARGV[5], ARGV[6])
if count > 1000 then -- unpack returns 8000 values at most, and a batch writes two for each attempt
  error({ err = "ERR sale_grab takes at most 1000 attempts, not " .. count })
end
local users, wants = attempts_of(6, count)

-- Read. What raises does so here, before the first write: every key is read with the type that it
-- is written with, and every number is one.

local sale, now = sale_fields(key, stock), now_ms()

local function all(word)
  return { 0, 0, 0, word, 0, 0, "", word .. string.rep("\30" .. word, count - 1) }
end

if not sale then
  return all("no_such_sale")
end
-- An activity that is not on show is sold nowhere: its buyer would not find the ticket.
if sale.keyword == "" or (sale.keyword and "office" or sale.kind) ~= door then
  return all("wrong_door")
end
sale_look(sale, past, now)
local state = sale.hold > 0 and "held" or "confirmed"
whole(sale[state], 0, state)
redis.call("HLEN", orders)
redis.call("ZCARD", holds)
local batch = attempts_decide(6, users, wants, sale, buyers, gone)
attempts_repeat(batch, orders)
if sale.lost then
  sale_stop(key, past, sale.paused)
end
if #batch.grants == 0 then
  if waits then
    redis.call("HSET", key, "waited_at", digits(now))
  end
  return sale_standing(sale, table.concat(batch.answers, "\30"))
end

-- Write. Only the first entry of the feed can fail, when somebody has written other entries into
-- it by hand; nothing is written then.

local at, deadline = digits(now), sale.hold > 0 and digits(now + sale.hold)
if sale.fed then
  for _, id in ipairs(batch.ids) do
    feed_add(feed, state, id, at)
  end
end
local units = sale_grant(sale, state, #batch.grants, batch.taken, at)
local head = state .. "\t" .. at .. "\t"
local entries, records, deadlines = attempts_grant(batch, head, deadline, goods, units)
redis.call("HSET", buyers, unpack(entries))
redis.call("HSET", orders, unpack(records))
if deadline then
  redis.call("ZADD", holds, unpack(deadlines))
end
return sale_standing(sale, table.concat(batch.answers, "\30"))
