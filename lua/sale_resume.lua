-- sale_resume: lets a sale sell again after Redis has forgotten orders of it, with a new history.
--
-- KEYS[1] sale    [hash]     kind, paused, history, known, clearing
-- KEYS[2] deleted [hash]     sale id -> number of its last history
-- ARGV[1] id      [sale id]  of the sale
-- ARGV[2] word    [text]     of the new history
--
-- Returns resumed, or a refusal that changes nothing: no_such_sale | being_cleared
-- Writes only for "resumed", whatever stopped the sale, and also when nothing did: so an operator
--   who knows of a loss resumes the sale before any server finds out. The same again is one more
--   history.
-- Flags: allow-oom, so that a sale can be resumed when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/history, lib/renewal

if came_late() then return "late" end

local sale, deleted = KEYS[1], KEYS[2]
local id, word = ARGV[1], ARGV[2]
if #KEYS ~= 2 or #ARGV ~= 2 then
  error({ err = "ERR sale_resume takes 2 keys, id and word" })
end

local kind, history, known, clearing = unpack(redis.call("HMGET", sale, "kind", "history", "known",
  "clearing"))
if not kind then
  return "no_such_sale"
end
if clearing then
  return "being_cleared"
end
history = history_after(history or "1-", known, redis.call("HGET", deleted, id), word)
redis.call("HSET", sale, "paused", "0", "history", history)
redis.call("HDEL", sale, "known")
return "resumed"
