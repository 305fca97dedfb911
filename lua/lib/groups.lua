-- groups: what the consumer groups of a feed still need of it.

-- The seq of an entry's id. Entries have ids of the form 0-<seq>; a group that was told to start
-- elsewhere, as if ids were times, stands behind all of them.
local function seq_of(id)
  return tonumber(string.match(id, "^0%-(%d+)$")) or math.huge
end

-- A list of names and values, by name.
local function by_name(list)
  local values = {}
  for at = 1, #list, 2 do
    values[list[at]] = list[at + 1]
  end
  return values
end

-- The seq of the last entry ever added.
local function last_seq(feed)
  return seq_of(by_name(redis.call("XINFO", "STREAM", feed))["last-generated-id"])
end

-- Groups of the feed by their names, each with what Redis knows of it.
local function groups_of(feed)
  local groups = {}
  for _, list in ipairs(redis.call("XINFO", "GROUPS", feed)) do
    local group = by_name(list)
    groups[group.name] = group
  end
  return groups
end

-- The first seq that the group has not settled: given out and not acknowledged, or not given out.
local function first_needed(feed, group)
  local needed = seq_of(group["last-delivered-id"]) + 1
  if group.pending > 0 then
    needed = math.min(needed, seq_of(redis.call("XPENDING", feed, group.name)[2]))
  end
  return needed
end

-- True when an entry waits for the group: given out and not acknowledged, or not given out. One
-- that begins after entries were dropped does not wait for those.
local function has_more(feed, group)
  local unread = redis.call("XRANGE", feed, "(" .. group["last-delivered-id"], "+", "COUNT", 1)
  return group.pending > 0 or #unread > 0
end

-- The first consumer group that has not read and acknowledged all of the feed, by name; nil when
-- all have.
local function group_behind(feed)
  if redis.call("EXISTS", feed) == 0 then
    return nil
  end
  local behind
  for name, group in pairs(groups_of(feed)) do
    if has_more(feed, group) and (not behind or name < behind) then
      behind = name
    end
  end
  return behind
end
