-- sale_snapshot: reads everything about sales of one event, all of them in one instant.
--
-- KEYS[1...] three for each sale:
--   sale   [hash]            kind, window, purchase_max, paused, counters
--   stock  [list or string]  the units, or the number left, of a target in cents
--   buyers [hash]            username -> order id
--
-- Returns for each sale {now [ms], left [units], buyers, field, value, ...} with all fields of the
--   sale, or no_such_sale; left is below 0 when somebody decremented a counter by hand. A sale that
--   cannot be read raises when it is asked for alone; among several it is broken, and the others
--   are read.
-- Writes nothing.
-- Flags: no-writes, so it runs in every state of Redis, on replicas too.
-- Uses: lib/clock, lib/number, lib/stock

if #KEYS < 3 or #KEYS % 3 ~= 0 or #ARGV ~= 0 then
  error({ err = "ERR sale_snapshot takes 3 keys for each sale and no arguments" })
end

local function read(sale, stock, buyers)
  local kind = redis.call("HGET", sale, "kind")
  if not kind then
    return "no_such_sale"
  end
  return { now_ms(), stock_counted(kind, stock), redis.call("HLEN", buyers),
    unpack(redis.call("HGETALL", sale)) }
end

if #KEYS == 3 then
  return { read(unpack(KEYS)) }
end
local found = {}
for n = 1, #KEYS, 3 do
  local is_read, sale = pcall(read, KEYS[n], KEYS[n + 1], KEYS[n + 2])
  found[#found + 1] = is_read and sale or "broken"
end
return found
