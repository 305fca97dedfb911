-- sale_delete: deletes sales whose orders were dropped, and remembers that they were deleted.
--
-- KEYS[1] deleted [hash]  sale id -> number of its last history
-- KEYS[2...] four for each sale:
--   sale [hash] clearing, history, known; stock [list or string]; buyers [hash]; gone [hash]
-- ARGV[1...] ids  [sale id], one for each sale, in the order of the keys
--
-- Returns {deleted}, or {not_cleared, id}, when another command ended it
-- Writes only for "deleted".
-- Flags: allow-oom, because it shrinks.
-- Uses: lib/clock, lib/deadline, lib/number, lib/history, lib/renewal, lib/clear

if came_late() then return "late" end

local deleted, count = KEYS[1], (#KEYS - 1) / 4
if count < 1 or count ~= #ARGV then
  error({ err = "ERR sale_delete takes deleted, 4 keys for each sale and the ids" })
end

local numbers = {}
for n, id in ipairs(ARGV) do
  local clearing, history, known =
    unpack(redis.call("HMGET", KEYS[4 * n - 2], "clearing", "history", "known"))
  if not clearing_of(clearing) then
    return { "not_cleared", id }
  end
  local number = history_last(history or "1-", known, redis.call("HGET", deleted, id))
  numbers[n] = digits(number)
end

for n, id in ipairs(ARGV) do
  redis.call("HSET", deleted, id, numbers[n])
  redis.call("UNLINK", unpack(KEYS, 4 * n - 2, 4 * n + 1))
end
return { "deleted" }
