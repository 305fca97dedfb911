-- clear_begin: stops sales that are to be reset or deleted, before their orders are dropped.
--
-- KEYS[1] feed        [stream]  what happened to orders
-- KEYS[2...] sale     [hash]    paused, clearing, counters: one for each sale
-- ARGV[1] command     [text]    reset or delete, and the ids of all its sales
-- ARGV[2] with_orders [0|1]     orders that are alive are dropped, too
-- ARGV[3] feed_too    [0|1]     entries of the feed that a consumer group has not read may be
--   dropped
-- ARGV[4...] ids      [sale id] one for each sale, in the order of the keys
--
-- Returns {begun}, or a refusal that changes nothing: {no_such_sale, id} | {orders_alive, id,
--   units} | {feed_needed, group} | {being_cleared, command}: another command has begun and must
--   end first
-- Writes only for "begun": each sale is paused, and its field clearing keeps what paused was before
--   and the command, so that the same command goes on where it was. A sale with this field grants
--   nothing, takes no edit, and nothing of it expires.
-- Flags: allow-oom, because what follows shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/groups, lib/clear

if came_late() then return "late" end

local feed, command = KEYS[1], ARGV[1]
local with_orders, feed_too = ARGV[2] == "1", ARGV[3] == "1"
if #KEYS < 2 or #ARGV ~= #KEYS + 2 then
  error({ err = "ERR clear_begin takes the feed, the sales, command, with_orders, feed_too "
    .. "and the ids" })
end

local before = {}
for n = 2, #KEYS do
  local id = ARGV[n + 2]
  local kind, paused, clearing = unpack(redis.call("HMGET", KEYS[n], "kind", "paused", "clearing"))
  if not kind then
    return { "no_such_sale", id }
  end
  local stopped, begun = clearing_of(clearing)
  if begun and begun ~= command then
    return { "being_cleared", begun }
  end
  local alive = units_alive(KEYS[n])
  if alive > 0 and not with_orders and not begun then
    return { "orders_alive", id, alive }
  end
  before[n] = { paused = paused or "0", stopped = stopped or paused or "0" }
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
  redis.call("HSET", KEYS[n], "clearing", sale.stopped .. " " .. command)
end
return { "begun" }
