-- feed_leave: takes a consumer out of a group of the feed, unless entries wait for it.
--
-- KEYS[1] feed      [stream]        what happened to orders
-- ARGV[1] group     [text]          whose consumer
-- ARGV[2] consumer  [text]          who leaves
--
-- Returns left; or pending: it was given entries that it did not acknowledge, which others take
--   over from it; or no_such_group
-- Writes only for left: deletes the consumer, if the group has it.
-- Flags: allow-oom, because it frees memory.
-- Uses: lib/groups

local feed = KEYS[1]
local group, consumer = ARGV[1], ARGV[2]
if #KEYS ~= 1 or #ARGV ~= 2 then
  error({ err = "ERR feed_leave takes 1 key, a group and a consumer" })
end

if redis.call("EXISTS", feed) == 0 or not groups_of(feed)[group] then
  return "no_such_group"
end
if #redis.call("XPENDING", feed, group, "-", "+", 1, consumer) > 0 then
  return "pending"
end
-- This would delete what is pending, too.
redis.call("XGROUP", "DELCONSUMER", feed, group, consumer)
return "left"
