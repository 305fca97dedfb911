-- deaths: counts the orders of a sale that die, as lib/gone says. What was counted before is read
-- for each order that is checked; what is added is written when all of them are.

-- What is counted of a sale before orders of it die; `all` and `most` are its fields.
local function deaths_of(all, most, key)
  redis.call("HLEN", key) -- raises here, before the first write, if it is no hash
  local deaths = { key = key, is_old = not all, all = whole(all, 0, "gone"),
    most = whole(most, 0, "gone_most"), before = {}, of = {}, more = 0 }
  if deaths.all == 0 then
    deaths.most = 0
  end
  return deaths
end

-- Reads what is counted of a buyer.
local function deaths_look(deaths, username)
  if not deaths.before[username] then
    local counted = deaths.all > 0 and redis.call("HGET", deaths.key, username)
    deaths.before[username] = gone_number(counted, deaths.key)
  end
end

-- Counts one more dead order of a buyer who was looked up.
local function deaths_add(deaths, username)
  deaths.of[username] = (deaths.of[username] or deaths.before[username]) + 1
  deaths.more = deaths.more + 1
end

-- Writes what was counted of the sale.
local function deaths_write(deaths, sale, at)
  local entries, most = {}, deaths.most
  for username, number in pairs(deaths.of) do
    entries[#entries + 1], entries[#entries + 2] = username, number
    most = math.max(most, number)
  end
  if deaths.all == 0 then -- what is there was left behind by a sale that is no more
    redis.call("UNLINK", deaths.key)
  end
  if deaths.is_old then
    redis.call("HSET", sale, "gone_since", at)
  end
  redis.call("HSET", deaths.key, unpack(entries))
  redis.call("HINCRBY", sale, "gone", deaths.more)
  if most > deaths.most then
    redis.call("HSET", sale, "gone_most", most)
  end
end
