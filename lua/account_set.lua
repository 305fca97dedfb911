-- account_set: states the balances of accounts of an event, and creates those that do not exist.
--
-- KEYS[1] accounts [hash]   username -> balance in cents
-- KEYS[2] paid_in  [hash]   username -> cents that operators put in, less what they took out
-- KEYS[3] changes  [string] how often the accounts changed
-- ARGV[1] limit    [cents]  the most that may ever be paid into one account
-- ARGV[2...] one pair for each account: username, balance [cents]; no username twice
--
-- Returns {created, changed}: accounts that did not exist, and others that had another balance; or
--   {limit_passed, username}, which changes nothing
-- Writes only accounts that are new or change; the difference is what is paid in. The same call
--   again changes nothing more, unless bids came between.
-- Flags: none, so nothing is set when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number

if came_late() then return "late" end

local accounts, paid_in, changes = unpack(KEYS)
local count = (#ARGV - 1) / 2
if #KEYS ~= 3 or count < 1 or count % 1 ~= 0 then
  error({ err = "ERR account_set takes 3 keys, limit and a username and balance for each account" })
end
if count > 1000 then -- unpack returns 8000 values at most, and each account has two
  error({ err = "ERR account_set takes at most 1000 accounts, not " .. count })
end
local limit = whole(ARGV[1], nil, "limit")
local users, seen = {}, {}
for n = 1, count do
  local user = ARGV[2 * n]
  if seen[user] then
    error({ err = "ERR account_set: no username twice: " .. user })
  end
  users[n], seen[user] = user, true
end

local balances = redis.call("HMGET", accounts, unpack(users))
local paid = redis.call("HMGET", paid_in, unpack(users))
whole(redis.call("GET", changes), 0, changes)

local created, changed, new_balances, new_paid = 0, 0, {}, {}
for n, user in ipairs(users) do
  local cents = whole(ARGV[2 * n + 1], nil, "balance")
  local before = whole(balances[n], 0, "the balance of " .. user)
  local total = whole(paid[n], 0, "what was paid in by " .. user) + cents - before
  if total > limit then
    return { "limit_passed", user }
  elseif total < 0 then
    error({ err = "ERR account " .. user .. " has more than was ever paid in" })
  end
  if not balances[n] or cents ~= before then
    created = created + (balances[n] and 0 or 1)
    changed = changed + (balances[n] and 1 or 0)
    new_balances[#new_balances + 1], new_balances[#new_balances + 2] = user, cents
    new_paid[#new_paid + 1], new_paid[#new_paid + 2] = user, total
  end
end

if #new_balances > 0 then
  redis.call("HSET", accounts, unpack(new_balances))
  redis.call("HSET", paid_in, unpack(new_paid))
  redis.call("INCR", changes)
end
return { created, changed }
