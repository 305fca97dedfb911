-- sale_grab: decides a batch of attempts for one sale, in the order given.
--
-- KEYS[1] sale    [hash]            kind, window, purchase_max, paused, counters
-- KEYS[2] stock   [list or string]  the units, or the number left
-- KEYS[3] buyers  [hash]            username -> order id
-- KEYS[4] orders  [hash]            order id -> record
-- ARGV[1] goods   [sale id]         written into each record
-- ARGV[2] door    [list|counter]    the kind of stock that the door sells
-- ARGV[3] waits   [0|1]           the caller waits for replicas: repeated orders write a little
-- ARGV[4...] one triple for each attempt: username, purchase [units], order id if granted
--
-- Returns {left, grants, phase, purchase_max, opens_in, answer...}, as of after the batch: units
--   left, orders ever granted, open | paused | not_started | ended | no_such_sale | wrong_door,
--   most units in one attempt, ms until the window opens (0: it has); then one answer for each
--   attempt: the record of its new order; {order id, record} of the order that the buyer holds;
--   or one word of no_such_sale | wrong_door | invalid_purchase | paused | not_started | ended |
--   sold_out | insufficient_stock
-- Writes only for new orders. A buyer who holds an order gets that order in every state of the sale.
--   With waits, a batch that repeats orders and grants none writes a field of the sale: replicas
--   are waited for from the last write on, and the repeated orders were written before.
-- Flags: none, so selling stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/stock

local sale, stock, buyers, orders = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local goods, door, waits = ARGV[1], ARGV[2], ARGV[3] == "1"
local count = (#ARGV - 3) / 3
if #KEYS ~= 4 or count < 1 or count % 1 ~= 0 then
  error({ err = "ERR sale_grab takes 4 keys, goods, door, waits and one triple for each attempt" })
end
if count > 1000 then -- unpack returns 8000 values at most, and a batch writes two for each attempt
  error({ err = "ERR sale_grab takes at most 1000 attempts, not " .. count })
end

-- Few quantities repeat many times: each text is checked once.
local quantities = setmetatable({}, { __index = function(known, text)
  local quantity = whole(text, 0, "purchase")
  if quantity == 0 then
    error({ err = "ERR sale_grab: purchase must be at least 1" })
  end
  known[text] = quantity
  return quantity
end })
local users, wants = {}, {}
for i = 1, count do
  users[i], wants[i] = ARGV[3 * i + 1], quantities[ARGV[3 * i + 2]]
end

-- Read.

local kind, opens_at, closes_at, purchase_max, paused, confirmed, granted = unpack(redis.call(
  "HMGET", sale, "kind", "opens_at", "closes_at", "purchase_max", "paused", "confirmed", "grants"))

local HEAD = 5 -- values of the reply before the first answer

local function all(word)
  local reply = { 0, 0, word, 0, 0 }
  for i = 1, count do
    reply[HEAD + i] = word
  end
  return reply
end

if not kind then
  return all("no_such_sale")
end
if kind ~= door then
  return all("wrong_door")
end

purchase_max = whole(purchase_max, 2, "purchase_max")
whole(confirmed, 0, "confirmed")
granted = whole(granted, 0, "grants")
opens_at = whole(opens_at, 0, "opens_at")
local now = now_ms()
local left = stock_left(kind, stock)
local held = redis.call("HMGET", buyers, unpack(users))
redis.call("HLEN", orders) -- raises here, before the first write, if the key has a wrong type

local closed
if paused == "1" then
  closed = "paused"
elseif now < opens_at then
  closed = "not_started"
elseif now > whole(closes_at, now, "closes_at") then
  closed = "ended"
end

-- Decide: grants[n] is the place of the n-th attempt that gets units.

local reply, grants, repeats, echoes, granted_to, taken = {}, {}, {}, {}, {}, 0
for i = 1, count do
  local user, want = users[i], wants[i]
  local answer = false
  if want > purchase_max then
    answer = "invalid_purchase"
  elseif held[i] then
    repeats[#repeats + 1] = i
  elseif granted_to[user] then
    echoes[#echoes + 1] = i
  elseif closed then
    answer = closed
  elseif left == 0 then
    answer = "sold_out"
  elseif left < want then
    answer = "insufficient_stock"
  else
    left = left - want
    taken = taken + want
    grants[#grants + 1] = i
    granted_to[user] = i
  end
  reply[HEAD + i] = answer
end
reply[1], reply[2], reply[3] = left, granted + #grants, closed or "open"
reply[4], reply[5] = purchase_max, math.max(0, opens_at - now)

-- Repeat the orders that exist.

if #repeats > 0 then
  local wanted = {}
  for n, i in ipairs(repeats) do
    wanted[n] = held[i]
  end
  local records = redis.call("HMGET", orders, unpack(wanted))
  for n, i in ipairs(repeats) do
    if not records[n] then
      error({ err = "ERR sale_grab: order " .. held[i] .. " of a buyer is missing" })
    end
    reply[HEAD + i] = { held[i], records[n] }
  end
end
if #grants == 0 then
  if waits and #repeats > 0 then
    redis.call("HSET", sale, "repeated_at", string.format("%.0f", now))
  end
  return reply
end

-- Write. Nothing below can fail: every key was read with the type that it is written with.

local units = {}
if kind == "list" then
  units = redis.call("LPOP", stock, taken)
else
  redis.call("DECRBY", stock, taken)
end

-- A record is text: "state TAB created_ms TAB username LF goods TAB purchase [TAB unit]...".
-- Units that were pushed by hand may hold any byte, so control characters are written as %XX.
if string.find(table.concat(units), "[%c%%]") then
  for n, unit in ipairs(units) do
    units[n] = string.gsub(unit, "[%c%%]", function(char)
      return string.format("%%%02X", string.byte(char))
    end)
  end
end

local head = string.format("confirmed\t%.0f\t", now)
local lines = setmetatable({}, { __index = function(known, want)
  known[want] = "\n" .. goods .. "\t" .. want .. (kind == "list" and "\t" or "")
  return known[want]
end })
local holds, records, next_unit = {}, {}, 1
for n, i in ipairs(grants) do
  local user, want, id = users[i], wants[i], ARGV[3 * i + 3]
  local named = ""
  if kind == "list" then
    named = want == 1 and units[next_unit]
      or table.concat(units, "\t", next_unit, next_unit + want - 1)
    next_unit = next_unit + want
  end
  local record = head .. user .. lines[want] .. named
  holds[2 * n - 1], holds[2 * n] = user, id
  records[2 * n - 1], records[2 * n] = id, record
  reply[HEAD + i] = record
end
for _, i in ipairs(echoes) do
  local first = granted_to[users[i]]
  reply[HEAD + i] = { ARGV[3 * first + 3], reply[HEAD + first] }
end
redis.call("HSET", buyers, unpack(holds))
redis.call("HSET", orders, unpack(records))
redis.call("HINCRBY", sale, "confirmed", taken)
redis.call("HINCRBY", sale, "grants", #grants)
return reply
