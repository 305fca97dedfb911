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
-- ARGV[5...] five for each line: goods [sale id], purchase [units], and the past of the sale that the
--   caller saw acknowledged: history (empty: none), grants, granted_at [ms]; no goods twice
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
--   waits, every other answer that comes with standings writes the field waited_at of the first sale:
--   replicas are waited for from the last write on, and what the answer rests on was written before.
--   A sale that has forgotten some of the past is stopped, and grants nothing.
-- Flags: none, so selling stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/stock, lib/history, lib/window, lib/gone, lib/basket, lib/order, lib/feed

if came_late() then return "late" end

local requests, orders, holds, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local username, request_id, order, waits = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == "1"
local count = (#ARGV - 4) / 5
if count < 1 or count % 1 ~= 0 or #KEYS ~= 4 + 4 * count then
  error({ err = "ERR order_place takes 4 keys, username, request_id, order, waits, and for each line "
    .. "4 keys, goods, purchase, history, grants and granted_at" })
end

local lines, wanted = {}, {}
for i = 1, count do
  local line = line_of({ unpack(KEYS, 4 * i + 1, 4 * i + 4) }, { unpack(ARGV, 5 * i, 5 * i + 4) })
  if line.purchase == 0 or wanted[line.goods] then
    error({ err = "ERR order_place: purchase must be at least 1 and no goods twice: " .. line.goods })
  end
  wanted[line.goods] = line.purchase
  lines[i] = line
end

-- Read. Every key is read with the type that it is written with, and every counter is a number.

local now = now_ms()
local hold, fed

for _, line in ipairs(lines) do
  if not line_look(line, now, username) then
    return { "no_such_sale", line.goods }
  end
  if line.hold > 0 then
    hold = math.min(line.hold, hold or line.hold)
  end
  fed = fed or line.fed
end
for _, line in ipairs(lines) do
  if line.kind == "target" or line.is_activity then -- bids have a door, tickets the office
    return { "wrong_door", line.goods }
  end
end
local request = username .. "\t" .. request_id
local before = redis.call("HGET", requests, request)
redis.call("HLEN", orders)
redis.call("ZCARD", holds)
for _, line in ipairs(lines) do
  if line.lost then
    sale_stop(line.sale, line.past, line.paused)
  end
end

local function reply(answer, about)
  local standings = {}
  for i, line in ipairs(lines) do
    standings[i] = line_standing(line)
  end
  return { answer, about, unpack(standings) }
end

-- An answer that grants nothing.
local function nothing_new(answer, about)
  if waits then
    redis.call("HSET", lines[1].sale, "waited_at", ms_text(now))
  end
  return reply(answer, about)
end

-- Repeat what this request got before.

-- True when an order has just the lines that are asked for, in any order.
local function asks_the_same(lines_before)
  for _, line in ipairs(lines_before) do
    if wanted[line.goods] ~= line.purchase then
      return false
    end
  end
  return #lines_before == count
end

if before then
  local record = redis.call("HGET", orders, before)
  if not record then
    error({ err = "ERR order_place: order " .. before .. " of a request is missing" })
  end
  if not asks_the_same(order_read(before, record).lines) then
    return nothing_new("request_id_reused", lines[1].goods)
  end
  return nothing_new("repeated", before .. "\n" .. record)
end

-- Decide: each check for all lines before the next one.

local checks = {
  function(line)
    return line.purchase > line.purchase_max and "invalid_purchase"
  end,
  function(line) return line.owned and "already_grabbed" end,
  function(line) return line.closed end,
  function(line)
    return line.left == 0 and "sold_out" or line.left < line.purchase and "insufficient_stock"
  end,
  function(line) return line.is_used_up and "too_many_orders" end,
}
for _, check in ipairs(checks) do
  for _, line in ipairs(lines) do
    local refusal = check(line)
    if refusal == "already_grabbed" then
      return nothing_new(refusal, line.goods .. "\n" .. line.owned)
    elseif refusal then
      local opening = refusal == "not_started" and "\n" .. ms_text(line.opens_at) or ""
      return nothing_new(refusal, line.goods .. opening)
    end
  end
end

-- Write. Only the entry of the feed can fail, when somebody has written other entries into it by
-- hand; nothing is written then.

local at, state = ms_text(now), hold and "held" or "confirmed"
local deadline = hold and ms_text(now + hold) or ""
if fed then
  feed_add(feed, state, order, at)
end

-- Takes the units of a line out of stock; returns the line as it stands in the record.
local function take(line)
  local named = line.kind == "list"
  local text = order_line(line.goods, line.purchase, named)
  if not named then
    redis.call("DECRBY", line.stock, line.purchase)
    return text
  end
  return text .. table.concat(units_escaped(redis.call("LPOP", line.stock, line.purchase)), "\t")
end

local record = { table.concat({ state, at, username, deadline, request_id }, "\t") }
for i, line in ipairs(lines) do
  record[i + 1] = take(line)
  redis.call("HSET", line.buyers, username, order)
  redis.call("HINCRBY", line.sale, state, line.purchase)
  line.left, line.grants, line.granted_at = line.left - line.purchase, line.grants + 1, now
  redis.call("HSET", line.sale, "grants", line.grants, "granted_at", at)
end
record = table.concat(record, "\n")
redis.call("HSET", orders, order, record)
redis.call("HSET", requests, request, order)
if hold then
  redis.call("ZADD", holds, deadline, order)
end
return reply("grabbed", record)
