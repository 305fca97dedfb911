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
-- ARGV[7] history    [N-word]   of the past of the target that the caller saw acknowledged, or
--   empty
-- ARGV[8] grants     [orders]   of that past
-- ARGV[9] granted_at [ms]       of that past
--
-- Returns {answer, about, history, grants, granted_at}: the last three are the past of the target
--   after the bid, and left out after no_such_sale and wrong_door; the answer is one of
--   bid_accepted    the record of the new order
--   already_bid     id LF record of the order that this request got before
--   invalid_amount  the smallest bid [cents]: the amount is less, and less than what is left
--   not_started     when the target opens [ms]
--   no_such_sale | wrong_door | request_id_reused | paused | forgot | ended | target_reached |
--   no_such_account | insufficient_balance, with an empty about
-- Writes only for "bid_accepted": a confirmed order, the counters, the request, a feed entry when
--   the sale has a feed, and the balance when the event keeps accounts: less what was accepted,
--   plus the bonus on it. With waits, every other answer about a target writes its field waited_at:
--   replicas are waited for from the last write on, and what the answer rests on was written
--   before. A target that has forgotten some of the past is stopped, and accepts nothing.
-- Flags: none, so bidding stops before any effect when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/history, lib/window, lib/order,
--   lib/feed, lib/account, lib/bid, lib/request

if came_late() then return "late" end

local requests, orders, feed, key, stock, accounts, changes = unpack(KEYS)
local username, request_id, order, waits, goods = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == "1", ARGV[5]
if #KEYS ~= 7 or #ARGV ~= 9 then
  error({ err = "ERR bid_place takes 7 keys, username, request_id, order, waits, goods, amount, "
    .. "history, grants and granted_at" })
end
local past = past_of(ARGV[7], ARGV[8], ARGV[9])
local amount = whole(ARGV[6], nil, "amount")
if amount == 0 then
  error({ err = "ERR bid_place: amount must be at least 1" })
end

-- Read. Every key is read with the type that it is written with, and every number is checked.

local now = now_ms()
local kind, target = bid_look(key, stock, past, now)
if not target then
  return { kind and "wrong_door" or "no_such_sale", "" }
end
local left, closed = target.left, target.closed
local balance, keeps_accounts = account_balance(accounts, changes, username)
local request = request_field(username, request_id)
local before = redis.call("HGET", requests, request)
redis.call("HLEN", orders)
local shown, lines
if before then
  shown, lines = request_order(orders, before)
end
if target.lost then
  sale_stop(key, past, target.paused)
end

-- An answer that accepts nothing.
local function nothing_new(answer, about)
  if waits then
    redis.call("HSET", key, "waited_at", digits(now))
  end
  return { answer, about or "", target.history, target.grants, target.granted_at }
end

if before then
  local bid = lines[1].goods == goods and lines[1].bid
  if not bid or bid.requested ~= amount then
    return nothing_new("request_id_reused")
  end
  return nothing_new("already_bid", shown)
end

-- Decide.

if closed == "not_started" then
  return nothing_new(closed, digits(target.opens_at))
elseif closed then
  return nothing_new(closed)
elseif left == 0 then
  return nothing_new("target_reached")
elseif amount < target.bid_min and amount < left then
  return nothing_new("invalid_amount", digits(target.bid_min))
elseif keeps_accounts and not balance then
  return nothing_new("no_such_account")
end
local accepted = math.min(amount, left)
if keeps_accounts and balance < accepted then
  return nothing_new("insufficient_balance")
end

-- Write. Only the entry of the feed can fail, if other entries were written into it by hand; then
-- nothing is written.

local at, bonus = digits(now), bid_bonus(accepted, target.bonus_bp)
if target.fed then
  feed_add(feed, "confirmed", order, at)
end
local record = table.concat({ "confirmed", at, username, "", request_id }, "\t") .. "\n"
  .. bid_line(goods, accepted, amount, bonus, keeps_accounts, accepted == left)
redis.call("DECRBY", stock, accepted)
redis.call("HINCRBY", key, "confirmed", accepted)
redis.call("HSET", key, "grants", target.grants + 1, "granted_at", at)
redis.call("HSET", orders, order, record)
redis.call("HSET", requests, request, order)
if keeps_accounts then
  account_write(accounts, changes, username, balance - accepted + bonus)
end
return { "bid_accepted", record, target.history, target.grants + 1, now }
