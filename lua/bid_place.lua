-- bid_place: accepts an amount towards a target, or as much of it as is left to the target.
--
-- KEYS[1] requests [hash]   username TAB request id -> order id
-- KEYS[2] orders   [hash]   order id -> record
-- KEYS[3] feed     [stream] what happened to orders
-- KEYS[4] sale     [hash]   kind, window, paused, bid_min, bonus_bp, feed, history, counters
-- KEYS[5] stock    [string] cents left to the target
-- KEYS[6] accounts [hash]   username -> balance in cents; absent: the event keeps no accounts
-- KEYS[7] changes  [string] how often the accounts changed
-- ARGV[1] username   [text]     who bids
-- ARGV[2] request_id [text]     the client's name for this request
-- ARGV[3] order      [order id] of the order if the bid is accepted
-- ARGV[4] waits      [0|1]      the caller waits for replicas: every answer writes a little
-- ARGV[5] goods      [sale id]  the target
-- ARGV[6] amount     [cents]    how much is offered
-- ARGV[7] history    [N-word]   of the acknowledged past of the target, or empty
-- ARGV[8] grants     [orders]   of that past
-- ARGV[9] granted_at [ms]       of that past
--
-- Returns {answer, about, history, grants, granted_at}: the last three are the past of the target after
--   the bid, and left out after no_such_sale and wrong_door; the answer is one of
--   bid_accepted    the record of the new order
--   already_bid     id LF record of the order that this request got before
--   invalid_amount  the smallest bid [cents]: the amount is less, and less than what is left
--   not_started     when the target opens [ms]
--   no_such_sale | wrong_door | request_id_reused | paused | forgot | ended | target_reached |
--   no_such_account | insufficient_balance, with an empty about
-- Writes only for "bid_accepted": a confirmed order, the counters, the request, a feed entry if the
--   sale has a feed, and the balance if the event keeps accounts: minus what was accepted, plus the
--   bonus on it. With waits, every other answer about a target writes its field waited_at: replicas
--   are waited for from the last write on, and what the answer depends on was written before. A
--   target that lost some of the past is stopped, and accepts nothing.
-- Flags: none, so bidding stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/stock, lib/history, lib/window, lib/order, lib/feed, lib/account

if came_late() then return "late" end

local requests, orders, feed, sale, stock, accounts, changes = unpack(KEYS)
local username, request_id, order, waits, goods = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == "1", ARGV[5]
if #KEYS ~= 7 or #ARGV ~= 9 then
  error({ err = "ERR bid_place takes 7 keys, username, request_id, order, waits, goods, amount, history, "
    .. "grants and granted_at" })
end
local past = past_of(ARGV[7], ARGV[8], ARGV[9])
local amount = whole(ARGV[6], nil, "amount")
if amount == 0 then
  error({ err = "ERR bid_place: amount must be at least 1" })
end

-- Read. Every key is read with the type that it is written with, and every number is checked.

local kind, opens_at, closes_at, paused, bid_min, bonus_bp, fed, confirmed, grants, granted_at, history =
  unpack(redis.call("HMGET", sale, "kind", "opens_at", "closes_at", "paused", "bid_min", "bonus_bp",
    "feed", "confirmed", "grants", "granted_at", "history"))
if not kind then
  return { "no_such_sale", "" }
end
if kind ~= "target" then
  return { "wrong_door", "" }
end
bid_min, bonus_bp = whole(bid_min, 1, "bid_min"), whole(bonus_bp, 0, "bonus_bp")
whole(confirmed, 0, "confirmed")
grants, granted_at = whole(grants, 0, "grants"), whole(granted_at, 0, "granted_at")
history = history or "1-"
if bonus_bp > 10000 then
  error({ err = "ERR bonus_bp is more than 10000: " .. bonus_bp })
end
local now = now_ms()
opens_at = whole(opens_at, 0, "opens_at")
local lost = is_lost(past, history, grants, granted_at)
local closed = lost and "forgot" or closed_at(now, paused, opens_at, closes_at)
local left = stock_left(kind, stock)
local balance, keeps_accounts = account_balance(accounts, changes, username)
local request = username .. "\t" .. request_id
local before = redis.call("HGET", requests, request)
redis.call("HLEN", orders)

local function reply(answer, about)
  return { answer, about or "", history, grants, granted_at }
end

-- An answer that accepts nothing.
local function nothing_new(answer, about)
  if waits then
    redis.call("HSET", sale, "waited_at", ms_text(now))
  end
  return reply(answer, about)
end

if lost then
  sale_stop(sale, past, paused)
end

-- Repeat the first answer to this request.

if before then
  local record = redis.call("HGET", orders, before)
  if not record then
    error({ err = "ERR bid_place: order " .. before .. " of a request is missing" })
  end
  local line = order_read(before, record).lines[1]
  if line.goods ~= goods or not line.bid or line.bid.requested ~= amount then
    return nothing_new("request_id_reused")
  end
  return nothing_new("already_bid", before .. "\n" .. record)
end

-- Decide.

if closed == "not_started" then
  return nothing_new(closed, ms_text(opens_at))
elseif closed then
  return nothing_new(closed)
elseif left == 0 then
  return nothing_new("target_reached")
elseif amount < bid_min and amount < left then
  return nothing_new("invalid_amount", cents_text(bid_min))
elseif keeps_accounts and not balance then
  return nothing_new("no_such_account")
end
local accepted = math.min(amount, left)
if keeps_accounts and balance < accepted then
  return nothing_new("insufficient_balance")
end
-- In two steps, because a product of this size would lose its last digits.
local bonus = math.floor(accepted / 10000) * bonus_bp + math.floor(accepted % 10000 * bonus_bp / 10000)

-- Write. Only the entry of the feed can fail, if other entries were written into it by hand; then
-- nothing is written.

local at = ms_text(now)
if fed ~= "0" then
  feed_add(feed, "confirmed", order, at)
end
local bid = { cents_text(accepted), cents_text(amount), cents_text(bonus),
  keeps_accounts and "1" or "0", accepted == left and "1" or "0" }
local record = table.concat({ "confirmed", at, username, "", request_id }, "\t")
  .. "\n" .. goods .. "\t" .. table.concat(bid, "/")
redis.call("DECRBY", stock, accepted)
redis.call("HINCRBY", sale, "confirmed", accepted)
grants, granted_at = grants + 1, now
redis.call("HSET", sale, "grants", grants, "granted_at", at)
redis.call("HSET", orders, order, record)
redis.call("HSET", requests, request, order)
if keeps_accounts then
  account_write(accounts, changes, username, balance - accepted + bonus)
end
return reply("bid_accepted", record)
