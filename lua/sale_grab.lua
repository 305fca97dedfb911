-- sale_grab: decides a batch of attempts for one sale, in the order given.
--
-- KEYS[1] sale    [hash]            kind, keyword, window, purchase_max, paused, hold, feed, history,
--   orders_max, gone_most, counters
-- KEYS[2] stock   [list or string]  the units, or the number left
-- KEYS[3] buyers  [hash]            username -> order id
-- KEYS[4] orders  [hash]            order id -> record
-- KEYS[5] holds   [zset]            order id by deadline
-- KEYS[6] feed    [stream]          what happened to orders
-- KEYS[7] gone    [hash]            username -> dead orders
-- ARGV[1] goods   [sale id]         written into each record
-- ARGV[2] door    [list|counter|office]  the kind of stock that the door sells; the office sells
--   every sale that has the field keyword, and nobody else does
-- ARGV[3] waits   [0|1]             the caller waits for replicas: every answer writes a little
-- ARGV[4] history [N-word]          of the past of the sale that the caller saw acknowledged, or empty
-- ARGV[5] grants  [orders]          of that past
-- ARGV[6] granted_at [ms]           of that past
-- ARGV[7...] one triple for each attempt: username, purchase [units], order id if granted
--
-- Returns {left, grants, granted_at, phase, purchase_max, opens_in, history, answers}, as of after the
--   batch: units left, orders ever granted, ms of the last grant, open | paused | forgot | not_started
--   | ended | no_such_sale | wrong_door, most units in one attempt, ms until the window opens (0: it
--   has), history (empty: no such sale, or not its door);
--   then one text with an answer for each attempt, separated by the byte 30: "=" and the units, separated
--   by tabs, of its new order; an order that the buyer holds, as order_shown says it; or no_such_sale |
--   wrong_door | invalid_purchase | paused | forgot | not_started | ended | sold_out |
--   insufficient_stock | too_many_orders
-- Writes only for new orders: held ones when the sale has a hold, else confirmed ones. A buyer who
--   holds an order gets it in every state of the sale. With waits, a batch that grants nothing writes
--   waited_at of the sale: replicas are waited for from the last write on, and what its answers rest on
--   was written before. A sale that has forgotten some of the past is stopped, and grants nothing.
-- Flags: none, so selling stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/stock, lib/history, lib/window, lib/attempts, lib/gone, lib/order, lib/feed

if came_late() then return "late" end

local sale, stock, buyers, orders, holds, feed, gone = unpack(KEYS)
local goods, door, waits = ARGV[1], ARGV[2], ARGV[3] == "1"
local count = (#ARGV - 6) / 3
if #KEYS ~= 7 or count < 1 or count % 1 ~= 0 then
  error({ err = "ERR sale_grab takes 7 keys, goods, door, waits, history, grants, granted_at and one "
    .. "triple for each attempt" })
end
local past = past_of(ARGV[4], ARGV[5], ARGV[6])
if count > 1000 then -- unpack returns 8000 values at most, and a batch writes two for each attempt
  error({ err = "ERR sale_grab takes at most 1000 attempts, not " .. count })
end

local users, wants, ids = attempts_of(6, count)

-- Read.

local kind, keyword, opens_at, closes_at, purchase_max, paused, hold, fed, held, confirmed, granted,
  granted_at, history, orders_max, gone_most = unpack(redis.call("HMGET", sale, "kind", "keyword",
    "opens_at", "closes_at", "purchase_max", "paused", "hold", "feed", "held", "confirmed", "grants",
    "granted_at", "history", "orders_max", "gone_most"))

local function all(word)
  return { 0, 0, 0, word, 0, 0, "", word .. string.rep("\30" .. word, count - 1) }
end

if not kind then
  return all("no_such_sale")
end
-- An activity that is not on show is sold nowhere: nobody would find the ticket.
if keyword == "" or (keyword and "office" or kind) ~= door then
  return all("wrong_door")
end

purchase_max = whole(purchase_max, 2, "purchase_max")
granted, granted_at = whole(granted, 0, "grants"), whole(granted_at, 0, "granted_at")
history = history or "1-"
opens_at = whole(opens_at, 0, "opens_at")
hold = whole(hold, 0, "hold")
local state = hold > 0 and "held" or "confirmed"
whole(hold > 0 and held or confirmed, 0, state)
local now = now_ms()
local left = stock_left(kind, stock)
local gone_max = gone_limit(orders_max, gone_most)
local owned = redis.call("HMGET", buyers, unpack(users))
local gone_of = gone_max and redis.call("HMGET", gone, unpack(users))
-- These raise here, before the first write, if a key has a wrong type.
redis.call("HLEN", orders)
redis.call("ZCARD", holds)
local lost = is_lost(past, history, granted, granted_at)
local closed = lost and "forgot" or closed_at(now, paused, opens_at, closes_at)

-- Decide: grants[n] is the place of the n-th attempt that gets units.

local answers, grants, repeats, echoes, granted_to, taken = {}, {}, {}, {}, {}, 0
for i = 1, count do
  local user, want = users[i], wants[i]
  if want > purchase_max then
    answers[i] = "invalid_purchase"
  elseif owned[i] then
    repeats[#repeats + 1] = i
    answers[i] = false
  elseif granted_to[user] then
    echoes[#echoes + 1] = i
    answers[i] = false
  elseif closed then
    answers[i] = closed
  elseif left == 0 then
    answers[i] = "sold_out"
  elseif left < want then
    answers[i] = "insufficient_stock"
  elseif gone_max and gone_number(gone_of[i], gone) >= gone_max then
    answers[i] = "too_many_orders"
  else
    left = left - want
    taken = taken + want
    grants[#grants + 1] = i
    granted_to[user] = i
    answers[i] = false
  end
end

-- Repeat the orders that exist. A broken one is the trouble of its buyer alone.

if #repeats > 0 then
  local wanted = {}
  for n, i in ipairs(repeats) do
    wanted[n] = owned[i]
  end
  local records = redis.call("HMGET", orders, unpack(wanted))
  for n, i in ipairs(repeats) do
    answers[i] = order_shown(owned[i], records[n])
  end
end

local function reply()
  return { left, granted + #grants, #grants > 0 and now or granted_at, closed or "open", purchase_max,
    math.max(0, opens_at - now), history, table.concat(answers, "\30") }
end

if lost then
  sale_stop(sale, past, paused)
end
if #grants == 0 then
  if waits then
    redis.call("HSET", sale, "waited_at", ms_text(now))
  end
  return reply()
end

-- Write. Only the first entry of the feed can fail, when somebody has written other entries into
-- it by hand; nothing is written then. Every other key was read with the type that it is written with.

local at = ms_text(now)
if fed ~= "0" then
  for _, i in ipairs(grants) do
    feed_add(feed, state, ids[i], at)
  end
end

local units = {}
if kind == "list" then
  units = units_escaped(redis.call("LPOP", stock, taken))
else
  redis.call("DECRBY", stock, taken)
end

local head = state .. "\t" .. at .. "\t"
local deadline = hold > 0 and ms_text(now + hold)
local tails = setmetatable({}, { __index = function(known, want)
  known[want] = (deadline and "\t" .. deadline or "") .. "\n" .. order_line(goods, want, kind == "list")
  return known[want]
end })
local entries, records, deadlines, next_unit = {}, {}, {}, 1
for n, i in ipairs(grants) do
  local user, want, id = users[i], wants[i], ids[i]
  local named = ""
  if kind == "list" then
    named = want == 1 and units[next_unit]
      or table.concat(units, "\t", next_unit, next_unit + want - 1)
    next_unit = next_unit + want
  end
  entries[2 * n - 1], entries[2 * n] = user, id
  records[2 * n - 1], records[2 * n] = id, head .. user .. tails[want] .. named
  if deadline then
    deadlines[2 * n - 1], deadlines[2 * n] = deadline, id
  end
  answers[i] = "=" .. named
  granted_to[user] = n
end
for _, i in ipairs(echoes) do
  local n = granted_to[users[i]]
  answers[i] = records[2 * n - 1] .. "\n" .. records[2 * n]
end
redis.call("HSET", buyers, unpack(entries))
redis.call("HSET", orders, unpack(records))
if deadline then
  redis.call("ZADD", holds, unpack(deadlines))
end
redis.call("HINCRBY", sale, state, taken)
redis.call("HSET", sale, "grants", granted + #grants, "granted_at", at)
return reply()
