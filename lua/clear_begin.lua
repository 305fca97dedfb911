-- clear_begin: stops sales that are to be reset or deleted, before their orders go.
--
-- KEYS[1] feed        [stream]  what happened to orders
-- KEYS[2...] sale     [hash]    paused, clearing, counters: one for each sale
-- ARGV[1] with_orders [0|1]     orders that are alive go, too
-- ARGV[2] feed_too    [0|1]     entries of the feed that a consumer group has not had may go
-- ARGV[3...] ids      [sale id] one for each sale, in the order of the keys
--
-- Returns {begun}, or a refusal that changes nothing: {no_such_sale, id} | {orders_alive, id, units} |
--   {feed_needed, group}
-- Writes only for "begun": each sale is paused, and its field clearing keeps what paused was before,
--   so that the same again goes on where it was. Other scripts change no sale that has this field.
-- Flags: allow-oom, because what follows shrinks.
-- Uses: lib/stock, lib/groups, lib/clear

local feed, with_orders, feed_too = KEYS[1], ARGV[1] == "1", ARGV[2] == "1"
if #KEYS < 2 or #ARGV ~= #KEYS + 1 then
  error({ err = "ERR clear_begin takes the feed, the sales, with_orders, feed_too and the ids" })
end

local before = {}
for n = 2, #KEYS do
  local id = ARGV[n + 1]
  local kind, paused, clearing = unpack(redis.call("HMGET", KEYS[n], "kind", "paused", "clearing"))
  if not kind then
    return { "no_such_sale", id }
  end
  local alive = units_alive(KEYS[n])
  if alive > 0 and not with_orders then
    return { "orders_alive", id, alive }
  end
  before[n] = { paused = paused or "0", clearing = clearing }
end
local group = not feed_too and group_behind(feed)
if group then
  return { "feed_needed", group }
end

for n = 2, #KEYS do
  local sale = before[n]
  if sale.paused ~= "forgot" then
    redis.call("HSET", KEYS[n], "paused", "1")
  end
  redis.call("HSET", KEYS[n], "clearing", sale.clearing or sale.paused)
end
return { "begun" }
