-- sale_reset: gives a sale whose orders were dropped a new beginning: its terms and its units stay.
--
-- KEYS[1] sale    [hash]            paused, clearing, history, known, counters
-- KEYS[2] stock   [list or string]  the units, or the number left, of a target in cents
-- KEYS[3] buyers  [hash]            username -> order id
-- KEYS[4] deleted [hash]            sale id -> number of its last history
-- ARGV[1] id      [sale id]         of the sale
-- ARGV[2] word    [text]            of the new history
--
-- Returns {reset, left, sells}: units left, and 1 when the sale sells again: what stopped it before the
--   reset stops it after it, too; or not_cleared, when nobody began to clear the sale
-- Writes only for "reset". Units that are numbered later get numbers that no unit had before.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/stock, lib/history

local sale, stock, buyers, deleted = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, word = ARGV[1], ARGV[2]
if #KEYS ~= 4 or #ARGV ~= 2 then
  error({ err = "ERR sale_reset takes 4 keys, id and word" })
end

local kind, paused, clearing, history, known, added, counted = unpack(redis.call("HMGET", sale, "kind",
  "paused", "clearing", "history", "known", "added", "counted"))
if not clearing then
  return { "not_cleared" }
end
local left = stock_left(kind, stock)
added = whole(added, 0, "added")
history = history_after(history or "1-", known, redis.call("HGET", deleted, id), word)
paused = paused == "forgot" and paused or clearing

redis.call("HSET", sale, "history", history, "added", string.format("%.0f", left), "removed", "0",
  "counted", string.format("%.0f", whole(counted, added, "counted")), "paused", paused)
redis.call("HDEL", sale, "held", "confirmed", "used", "grants", "granted_at", "repeated_at", "known",
  "clearing")
redis.call("UNLINK", buyers)
return { "reset", left, paused == "0" and 1 or 0 }
