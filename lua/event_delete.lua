-- event_delete: deletes everything of an event except the record of which sales it had.
--
-- KEYS[1] deleted  [hash]    sale id -> number of its last history
-- KEYS[2] feed     [stream]  what happened to orders
-- KEYS[3] accounts [hash]    username -> balance in cents
-- KEYS[4] orders   [hash]    order id -> record
-- KEYS[5] holds    [zset]    order id by deadline
-- KEYS[6] requests [hash]    username TAB request id -> order id
-- KEYS[7] dead     [stream]  entries that could not be delivered
-- KEYS[8] paid_in  [hash]    username -> cents that operators put in
-- KEYS[9] changes  [string]  how often the accounts changed
-- KEYS[10] payments [hash]   username TAB request id -> signed amount TAB balance after it
-- KEYS[11] archived [string] when the event was archived
-- KEYS[12...] four for each sale: sale [hash], stock [list or string], buyers [hash], gone [hash]
-- ARGV[1] with_orders [0|1]  living orders and accounts are deleted, too
-- ARGV[2] feed_too [0|1]     unread entries of the feed are deleted, too
-- ARGV[3...] ids   [sale id] one for each sale, in the order of the keys
--
-- Returns {deleted}, or a refusal that changes nothing: {no_such_event} | {orders_alive, id, units}
--   | {accounts_kept, accounts} | {feed_needed, group}
-- Writes only for "deleted", and ends in each case what event_close began. Redis frees the memory
--   of large keys in the background.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/history, lib/renewal, lib/groups, lib/clear

if came_late() then return "late" end

local deleted, feed, accounts, count = KEYS[1], KEYS[2], KEYS[3], (#KEYS - 11) / 4
local with_orders, feed_too = ARGV[1] == "1", ARGV[2] == "1"
if #KEYS < 11 or count ~= #ARGV - 2 then
  error({ err = "ERR event_delete takes 11 keys and 4 for each sale, with_orders, feed_too "
    .. "and the ids" })
end

-- The answer. After it sales may be created again.
local function reply(...)
  redis.call("HDEL", deleted, "*")
  return { ... }
end

redis.call("HLEN", deleted) -- raises here, before the first write, if it is not a hash
local numbers = {}
for n = 1, count do
  local id, sale = ARGV[n + 2], KEYS[4 * n + 8]
  local history, known = unpack(redis.call("HMGET", sale, "history", "known"))
  local alive = units_alive(sale)
  if alive > 0 and not with_orders then
    return reply("orders_alive", id, alive)
  end
  numbers[n] = digits(history_last(history or "1-", known, redis.call("HGET", deleted, id)))
end
local balances = redis.call("HLEN", accounts)
if balances > 0 and not with_orders then
  return reply("accounts_kept", balances)
end
local group = not feed_too and group_behind(feed)
if group then
  return reply("feed_needed", group)
end

local gone = 0
for n = 2, #KEYS do
  gone = gone + redis.call("UNLINK", KEYS[n])
end
if gone == 0 then
  return reply("no_such_event")
end
for n, number in ipairs(numbers) do
  redis.call("HSET", deleted, ARGV[n + 2], number)
end
return reply("deleted")
