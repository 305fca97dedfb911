-- account: what a buyer may spend on the targets of an event. An event keeps accounts as soon as it
-- has one: from then on, a buyer without an account cannot bid.

-- The balance of a buyer, or nil; then whether the event keeps accounts.
local function account_balance(accounts, changes, username)
  local text = redis.call("HGET", accounts, username)
  whole(redis.call("GET", changes), 0, changes)
  if not text then
    return nil, redis.call("EXISTS", accounts) == 1
  end
  return whole(text, nil, "the balance of " .. username), true
end

-- Writes a balance that was read before.
local function account_write(accounts, changes, username, balance)
  redis.call("HSET", accounts, username, digits(balance))
  redis.call("INCR", changes)
end
