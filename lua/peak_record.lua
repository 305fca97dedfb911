-- peak_record: records most replicas that a master has had, for those who connect later.
--
-- KEYS[1] peaks   [hash]       run id of a master → its number
-- ARGV[1] run_id  [text]       the master that this runs on
-- ARGV[2] from    [0|integer]  the number that is lowered; 0 raises
-- ARGV[3] number  [integer]    the number to record
--
-- Returns the number that is recorded afterwards.
-- Writes the number if none is recorded of this master, if it is larger, or if `from` is recorded.
--   The first of a master drops those of others: they are masters no more.
-- Flags: allow-oom, so that orders are acknowledged again when Redis is full.
-- Uses: lib/number

local peaks = KEYS[1]
local run_id, from, number = ARGV[1], whole(ARGV[2], 0, "from"), whole(ARGV[3], 0, "number")
if #KEYS ~= 1 or #ARGV ~= 3 or run_id == "" or number == 0 then
  error({ err = "ERR peak_record takes 1 key, a run id and two numbers" })
end

local recorded = whole(redis.call("HGET", peaks, run_id), 0, "the number of " .. run_id)
local raises = number > recorded
local lowers = from > 0 and from == recorded
if not (raises or lowers) then
  return recorded
end
if recorded == 0 then
  redis.call("DEL", peaks)
end
redis.call("HSET", peaks, run_id, number)
return number
