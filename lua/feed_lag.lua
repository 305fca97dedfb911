-- feed_lag: how far a consumer group is behind the feed.
--
-- KEYS[1] feed    [stream]          what happened to orders
-- KEYS[2] dead    [stream]          entries that could not be delivered
-- ARGV[1] group   [text]            whose deliveries
--
-- Returns {undelivered, oldest [ms], dead}: entries not delivered yet, the age of the oldest of
--   them (0 when there is none), and dead letters; or no_such_group
-- Writes nothing.
-- Flags: no-writes, so it runs in every state of Redis, on replicas too.
-- Uses: lib/clock, lib/number, lib/groups

local feed, dead = KEYS[1], KEYS[2]
if #KEYS ~= 2 or #ARGV ~= 1 then
  error({ err = "ERR feed_lag takes 2 keys and a group" })
end

local group = redis.call("EXISTS", feed) == 1 and groups_of(feed)[ARGV[1]]
if not group then
  return "no_such_group"
end

local last = last_seq(feed)
-- A group that begins after entries were dropped is behind by what is there.
local unread = math.max(0, last - seq_of(group["last-delivered-id"]))
unread = math.min(unread, redis.call("XLEN", feed))

local oldest = 0
local needed = first_needed(feed, group)
if needed <= last then
  local entry = redis.call("XRANGE", feed, "0-" .. digits(needed), "+", "COUNT", 1)[1]
  local at = entry and tonumber(by_name(entry[2]).at)
  oldest = at and math.max(0, now_ms() - at) or 0
end
return { group.pending + unread, oldest, redis.call("XLEN", dead) }
