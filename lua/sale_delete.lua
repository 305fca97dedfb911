-- sale_delete: deletes a sale whose orders were dropped, and remembers that it was deleted.
--
-- KEYS[1] sale    [hash]            clearing, history, known
-- KEYS[2] stock   [list or string]  the units, or the number left, of a target in cents
-- KEYS[3] buyers  [hash]            username -> order id
-- KEYS[4] deleted [hash]            sale id -> number of its last history
-- ARGV[1] id      [sale id]         of the sale
--
-- Returns deleted, or not_cleared, when nobody began to clear the sale
-- Writes only for "deleted".
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/stock, lib/history

local sale, stock, buyers, deleted = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id = ARGV[1]
if #KEYS ~= 4 or #ARGV ~= 1 then
  error({ err = "ERR sale_delete takes 4 keys and id" })
end

local clearing, history, known = unpack(redis.call("HMGET", sale, "clearing", "history", "known"))
if not clearing then
  return "not_cleared"
end
local number = history_last(history or "1-", known, redis.call("HGET", deleted, id))

redis.call("HSET", deleted, id, string.format("%.0f", number))
redis.call("UNLINK", sale, stock, buyers)
return "deleted"
