-- drop: drops orders of an event, and all that names them but the feed.

-- The orders to drop: their ids are in ARGV, after `count` sales. `name` is the script that asks.
local function drop_of(name, count, orders, holds, requests)
  local ids = { unpack(ARGV, count + 1) }
  if #ids > 1000 then -- unpack returns 8000 values at most
    error({ err = "ERR " .. name .. " takes at most 1000 orders, not " .. #ids })
  end
  return { ids = ids, orders = orders, holds = holds, requests = requests, gone = {}, asked = {} }
end

-- Their records. Raises here, before the first write, if a key has a wrong type.
local function drop_read(drop)
  local records = redis.call("HMGET", drop.orders, unpack(drop.ids))
  redis.call("ZCARD", drop.holds)
  redis.call("HLEN", drop.requests)
  return records
end

-- Adds an order; `asked` is the field of its request, or nil.
local function drop_add(drop, id, asked)
  drop.gone[#drop.gone + 1], drop.asked[#drop.asked + 1] = id, asked
end

-- Drops the orders that were added, of which there is at least one.
local function drop_write(drop)
  redis.call("HDEL", drop.orders, unpack(drop.gone))
  redis.call("ZREM", drop.holds, unpack(drop.gone))
  if #drop.asked > 0 then
    redis.call("HDEL", drop.requests, unpack(drop.asked))
  end
end
