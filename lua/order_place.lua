-- order_place: grants units of several sales of one event in one order, all of them or none.
--
-- KEYS[1] requests [hash]  username TAB request id -> order id
-- KEYS[2] orders   [hash]  order id -> record
-- KEYS[3] holds    [zset]  order id by deadline
-- KEYS[4] feed     [stream] what happened to orders
-- KEYS[5...] four for each line: sale [hash], stock [list or string], buyers [hash], gone [hash]
-- ARGV[1] username   [text]      who asks
-- ARGV[2] request_id [text]      the client's name for this request
-- ARGV[3] order      [order id]  of the order if it is granted
-- ARGV[4] waits      [0|1]       the caller waits for replicas: every answer writes a little
-- ARGV[5...] five for each line: goods [sale id], purchase [units], and the past of the sale that
--   the caller saw acknowledged: history (empty: none), grants, granted_at [ms]; no goods twice
--
-- Returns {answer, about, standing...}: the answer and what it is about is one of
--   grabbed             the record of the new order
--   repeated            id LF record of the order that this request got before
--   request_id_reused   goods of the first line; the request asked for something else before
--   already_grabbed     goods LF id of the order that the buyer holds of this sale
--   not_started         goods LF when it opens [ms], of the first line of which this is true
--   no_such_sale | wrong_door | invalid_purchase | paused | forgot | ended | sold_out |
--   insufficient_stock | too_many_orders  goods of the first line of which this is true
--   Then, but not after no_such_sale and wrong_door, how the sale of each line stands, as of after
--   the order, in a table as in sale_grab: {left, grants, granted_at, open | paused | forgot |
--   not_started | ended, purchase_max, opens_in, history, list | counter}.
-- Writes only for "grabbed": a held order, until the shortest hold of its sales has passed, when
--   any of them has one, else a confirmed one; a feed entry when any of its sales has a feed. With
--   waits, every other answer that comes with standings writes the field waited_at of the first
--   sale: replicas are waited for from the last write on, and what the answer rests on was written
--   before. A sale that lost some of the past is stopped, and grants nothing.
-- Flags: none, so selling stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/history, lib/window, lib/gone,
--   lib/record, lib/order, lib/feed, lib/sale, lib/basket, lib/request

if came_late() then return "late" end

local requests, orders, holds, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local username, request_id, order, waits = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == "1"
local count = (#ARGV - 4) / 5
if count < 1 or count % 1 ~= 0 or #KEYS ~= 4 + 4 * count then
  error({ err = "ERR order_place takes 4 keys, username, request_id, order, waits, and for each "
    .. "line 4 keys, goods, purchase, history, grants and granted_at" })
end
local lines = basket_of(count)

-- Read. Every key is read with the type that it is written with, and every counter is a number.

local now = now_ms()
local hold, fed
for _, line in ipairs(lines) do
  if not line_look(line, username, now) then
    return { "no_such_sale", line.goods }
  end
  if line.sale.hold > 0 then
    hold = math.min(line.sale.hold, hold or line.sale.hold)
  end
  fed = fed or line.sale.fed
end
for _, line in ipairs(lines) do
  if line.sale.kind == "target" or line.sale.keyword then -- bids have a door, tickets the office
    return { "wrong_door", line.goods }
  end
end
local request = request_field(username, request_id)
local before = redis.call("HGET", requests, request)
redis.call("HLEN", orders)
redis.call("ZCARD", holds)
local shown, lines_before
if before then
  shown, lines_before = request_order(orders, before)
end
for _, line in ipairs(lines) do
  if line.sale.lost then
    sale_known(line.key)
  end
end

-- A sale that lost orders is stopped, whatever the answer is.

for _, line in ipairs(lines) do
  if line.sale.lost then
    sale_stop(line.key, line.past, line.sale.paused)
  end
end

-- An answer that grants nothing.
local function nothing_new(answer, about)
  if waits then
    redis.call("HSET", lines[1].key, "waited_at", digits(now))
  end
  return basket_reply(lines, answer, about)
end

if before then
  if not basket_is(lines, lines_before) then
    return nothing_new("request_id_reused", lines[1].goods)
  end
  return nothing_new("repeated", shown)
end

local refusal, line = basket_refusal(lines)
if refusal == "already_grabbed" then
  return nothing_new(refusal, line.goods .. "\n" .. line.owned)
elseif refusal == "not_started" then
  return nothing_new(refusal, line.goods .. "\n" .. digits(line.sale.opens_at))
elseif refusal then
  return nothing_new(refusal, line.goods)
end

-- Write. Only the entry of the feed can fail, when somebody has written other entries into it by
-- hand; nothing is written then.

local at, state = digits(now), hold and "held" or "confirmed"
local deadline = hold and digits(now + hold) or ""
if fed then
  feed_add(feed, state, order, at)
end
local record = { table.concat({ state, at, username, deadline, request_id }, "\t") }
for i, line in ipairs(lines) do
  record[i + 1] = line_grant(line, state, at)
  redis.call("HSET", line.buyers, username, order)
end
record = table.concat(record, "\n")
redis.call("HSET", orders, order, record)
redis.call("HSET", requests, request, order)
if hold then
  redis.call("ZADD", holds, deadline, order)
end
return basket_reply(lines, "grabbed", record)
