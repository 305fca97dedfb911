-- stock_add: puts units into a sale's stock, also while it sells.
--
-- KEYS[1] sale    [hash]            kind, counted, counters
-- KEYS[2] stock   [list or string]  the units, or the number left, of a target in cents
-- ARGV[1] mode    [count|units]     equal units by number, or the units that follow
-- ARGV[2] limit   [units]           the most that may ever be added to a sale
-- ARGV[3] target_limit [cents]      the same of a target
-- ARGV[4...] the number of units, or the units
--
-- Returns {added, left}: units ever added and units left after this call (still below 0 when a
--   counter was further below it than this adds), or a refusal:
--   no_such_sale | needs_count (only list stock has identities) | limit_passed
-- Writes only when it returns numbers. Not idempotent: each call adds.
-- Flags: none, so nothing is added when Redis is read-only, full or cannot persist.
-- Uses: lib/clock, lib/deadline, lib/number, lib/stock

if came_late() then return "late" end

local sale, stock = KEYS[1], KEYS[2]
local mode = ARGV[1]
local limit, target_limit = whole(ARGV[2], nil, "limit"), whole(ARGV[3], nil, "limit")
if #KEYS ~= 2 or #ARGV < 4 or (mode == "count" and #ARGV ~= 4) then
  error({ err = "ERR stock_add takes 2 keys, mode, two limits and a count or units" })
end

local kind, added, counted = unpack(redis.call("HMGET", sale, "kind", "added", "counted"))
if not kind then
  return "no_such_sale"
end
if kind ~= "list" and mode == "units" then
  return "needs_count"
end
added = whole(added, 0, "added")
local numbered = whole(counted, added, "counted")
local left = stock_counted(kind, stock)
local count = mode == "count" and whole(ARGV[4], nil, "count") or #ARGV - 3
if added + count > (kind == "target" and target_limit or limit) then
  return "limit_passed"
end

-- Counted units of a list are numbered on from all that were ever numbered, so no number comes
-- twice.
local function unit_at(i)
  return mode == "units" and ARGV[3 + i] or "sn-" .. digits(numbered + i)
end

if kind ~= "list" then
  redis.call("INCRBY", stock, count)
else
  local slice = {}
  for i = 1, count do
    slice[#slice + 1] = unit_at(i)
    if #slice == 1000 or i == count then -- far below the 8000 values that unpack can return
      redis.call("RPUSH", stock, unpack(slice))
      slice = {}
    end
  end
end
redis.call("HINCRBY", sale, "added", count)
if counted and mode == "count" then
  redis.call("HINCRBY", sale, "counted", count)
end
return { added + count, left + count }
