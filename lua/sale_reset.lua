-- sale_reset: gives sales whose orders were dropped a new beginning: their terms and units stay.
--
-- KEYS[1] deleted [hash]  sale id -> number of its last history
-- KEYS[2...] four for each sale:
--   sale [hash] paused, clearing, history, known, counters; stock [list or string]; buyers [hash];
--   gone [hash]
-- ARGV[1] word    [text]  of the new histories
-- ARGV[2...] ids  [sale id], one for each sale, in the order of the keys
--
-- Returns {reset, id...}: the sales that are still stopped, because they were stopped before the
--   reset, or because Redis has forgotten orders of them; or {not_cleared, id}, when another
--   command ended it
-- Writes only for "reset". Units that are numbered later get numbers that no unit had before.
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock, lib/history, lib/renewal, lib/clear

if came_late() then return "late" end

local deleted, word, count = KEYS[1], ARGV[1], (#KEYS - 1) / 4
if count < 1 or count ~= #ARGV - 1 then
  error({ err = "ERR sale_reset takes deleted, 4 keys for each sale, word and the ids" })
end

-- What a sale is after the reset; nil when nobody is clearing it.
local function reset_of(id, sale, stock)
  local kind, paused, clearing, history, known, added, counted = unpack(redis.call("HMGET", sale,
    "kind", "paused", "clearing", "history", "known", "added", "counted"))
  local stopped = clearing_of(clearing)
  if not stopped then
    return nil
  end
  return { is_target = kind == "target", left = digits(stock_left(kind, stock)),
    counted = digits(whole(counted, whole(added, 0, "added"), "counted")),
    history = history_after(history or "1-", known, redis.call("HGET", deleted, id), word),
    paused = paused == "forgot" and paused or stopped }
end

local resets = {}
for n = 1, count do
  resets[n] = reset_of(ARGV[n + 1], KEYS[4 * n - 2], KEYS[4 * n - 1])
  if not resets[n] then
    return { "not_cleared", ARGV[n + 1] }
  end
end

local reply = { "reset" }
for n, reset in ipairs(resets) do
  local sale, buyers, gone = KEYS[4 * n - 2], KEYS[4 * n], KEYS[4 * n + 1]
  redis.call("HSET", sale, "history", reset.history, "added", reset.left, "removed", "0", "counted",
    reset.counted, "paused", reset.paused)
  redis.call("HDEL", sale, "held", "confirmed", "used", "grants", "granted_at", "waited_at",
    "repeated_at", "known", "clearing", "archived")
  if not reset.is_target then
    redis.call("HSET", sale, "gone", "0", "gone_most", "0", "gone_since", digits(now_ms()))
  end
  redis.call("UNLINK", buyers, gone)
  if reset.paused ~= "0" then
    reply[#reply + 1] = ARGV[n + 1]
  end
end
return reply
