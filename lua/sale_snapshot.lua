-- sale_snapshot: reads everything about a sale in one instant.
--
-- KEYS[1] sale    [hash]            kind, window, purchase_max, paused, counters
-- KEYS[2] stock   [list or string]  the units, or the number left, of a target in cents
-- KEYS[3] buyers  [hash]            username -> order id
--
-- Returns {now [ms], left [units], buyers, field, value, ...} with all fields of the sale,
--   or no_such_sale; left is below 0 when somebody decremented a counter by hand
-- Writes nothing.
-- Flags: no-writes, so it runs in every state of Redis, on replicas too.
-- Uses: lib/clock, lib/stock

local sale, stock, buyers = KEYS[1], KEYS[2], KEYS[3]
if #KEYS ~= 3 or #ARGV ~= 0 then
  error({ err = "ERR sale_snapshot takes 3 keys and no arguments" })
end

local kind = redis.call("HGET", sale, "kind")
if not kind then
  return "no_such_sale"
end
return { now_ms(), stock_counted(kind, stock), redis.call("HLEN", buyers), unpack(redis.call("HGETALL", sale)) }
