-- feed: what happened to the orders of an event, one entry for each thing, in order.

-- Adds one entry. Its id is 0-<seq>: Redis itself counts seq from 1, without gaps.
-- Write the feed first: an entry with another id, added by hand, makes Redis refuse this one.
local function feed_add(feed, what, order, at)
  redis.call("XADD", feed, "0-*", "what", what, "order", order, "at", at)
end
