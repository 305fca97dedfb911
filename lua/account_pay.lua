-- account_pay: pays into an account of an event, or out of it, once for each request.
--
-- KEYS[1] accounts [hash]   username -> balance in cents
-- KEYS[2] paid_in  [hash]   username -> cents that operators put in, minus what they took out
-- KEYS[3] changes  [string] how often the accounts changed
-- KEYS[4] payments [hash]   username TAB request id -> signed amount TAB balance after it, in cents
-- KEYS[5] archived [string] when the event was archived
-- ARGV[1] username   [text]  whose account
-- ARGV[2] request_id [text]  the operator's name for this payment
-- ARGV[3] amount     [cents] how much is put in; with a minus, how much is taken out
-- ARGV[4] limit      [cents] the most that may ever be paid into one account
--
-- Returns {paid, balance}: what the account had after this payment, also when it was made before;
--   or a refusal that changes nothing: {request_id_reused} | {no_such_account} |
--   {insufficient_balance, balance} | {limit_passed} | {archived}: nobody knows any more which
--   payments of the event were made
-- Writes only for "paid": the balance, what is paid in, and the payment. Money that is put in makes
--   an account where there is none.
-- Flags: none, so nothing is paid when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/account

if came_late() then return "late" end

local accounts, paid_in, changes, payments, archived = unpack(KEYS)
local username, request_id, amount = ARGV[1], ARGV[2], ARGV[3]
if #KEYS ~= 5 or #ARGV ~= 4 then
  error({ err = "ERR account_pay takes 5 keys, username, request_id, amount and limit" })
end
local minus, text = string.match(amount, "^(%-?)(.*)$")
local cents = whole(text, nil, "amount")
if cents == 0 then
  error({ err = "ERR account_pay: amount must be at least 1" })
end
local limit = whole(ARGV[4], nil, "limit")
local change = minus == "-" and -cents or cents

-- Read. Every key is read with the type that it is written with, and every number is checked.

local balance = account_balance(accounts, changes, username)
local paid = whole(redis.call("HGET", paid_in, username), 0, "what was paid in by " .. username)
local request = username .. "\t" .. request_id
local before = redis.call("HGET", payments, request)

-- Repeat the first answer to this request.

if before then
  local amount_then, balance_then = string.match(before, "^(%-?[1-9]%d*)\t(.*)$")
  if not amount_then then
    error({ err = "UNREADABLE request " .. request_id .. " of " .. username
      .. " is not a payment: " .. before })
  elseif amount_then ~= amount then
    return { "request_id_reused" }
  end
  balance_then = whole(balance_then, nil, "the balance after request " .. request_id)
  return { "paid", balance_then }
end

-- Decide.

local total = paid + change
if redis.call("EXISTS", archived) == 1 then
  return { "archived" }
elseif change < 0 and not balance then
  return { "no_such_account" }
elseif change < 0 and balance < cents then
  return { "insufficient_balance", balance }
elseif total > limit then
  return { "limit_passed" }
elseif total < 0 then
  error({ err = "UNREADABLE account " .. username .. " has more than was ever paid in" })
end
balance = (balance or 0) + change

-- Write.

account_write(accounts, changes, username, balance)
redis.call("HSET", paid_in, username, digits(total))
redis.call("HSET", payments, request, amount .. "\t" .. digits(balance))
return { "paid", balance }
