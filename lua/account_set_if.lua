-- account_set_if: states the balance of one account, if it has the one that the caller saw.
--
-- KEYS[1] accounts [hash]   username -> balance in cents
-- KEYS[2] paid_in  [hash]   username -> cents that operators put in, less what they took out
-- KEYS[3] changes  [string] how often the accounts changed
-- ARGV[1] username   [text]  whose account
-- ARGV[2] if_balance [cents] what it must have now
-- ARGV[3] balance    [cents] what it has from now on
-- ARGV[4] limit      [cents] the most that may ever be paid into one account
--
-- Returns {set}, or a refusal that changes nothing: {no_such_account} | {balance_changed, balance}
--   | {limit_passed}
-- Writes only for "set", and only a balance that is another one; the difference is what is paid in.
-- Flags: none, so nothing is set when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/account

if came_late() then return "late" end

local accounts, paid_in, changes = unpack(KEYS)
local username = ARGV[1]
if #KEYS ~= 3 or #ARGV ~= 4 then
  error({ err = "ERR account_set_if takes 3 keys, username, if_balance, balance and limit" })
end
local seen, cents = whole(ARGV[2], nil, "if_balance"), whole(ARGV[3], nil, "balance")
local limit = whole(ARGV[4], nil, "limit")

local before = account_balance(accounts, changes, username)
local paid = whole(redis.call("HGET", paid_in, username), 0, "what was paid in by " .. username)
if not before then
  return { "no_such_account" }
elseif before ~= seen then
  return { "balance_changed", before }
end
local total = paid + cents - before
if total > limit then
  return { "limit_passed" }
elseif total < 0 then
  error({ err = "ERR account " .. username .. " has more than was ever paid in" })
end
if cents ~= before then
  account_write(accounts, changes, username, cents)
  redis.call("HSET", paid_in, username, digits(total))
end
return { "set" }
