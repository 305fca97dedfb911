-- sale_put: creates a sale, or changes the fields given, when its state allows it.
--
-- KEYS[1] sale    [hash]            kind, window, purchase_max, paused, hold, feed, terms,
--   activity, history, gone, gone_since, counters
-- KEYS[2] buyers  [hash]            username -> order id
-- KEYS[3] deleted [hash]            sale id -> number of its last history; * while the event is
--   being deleted
-- KEYS[4] archived [string]         when the event was archived
-- ARGV[1] id      [sale id]         of the sale
-- ARGV[2] word    [text]            of its history, if it is created
-- ARGV[3...] pairs of field and value: kind, title, opens_at [ms], closes_at [ms],
--   purchase_max [units], paused [0|1], hold [ms], cancel_until [ms], feed [0|1]; an empty time
--   removes the bound; orders_max [orders, 0 is no limit], not of a target; bid_min [cents] and
--   bonus_bp [basis points] of a target; keyword, place, starts_at [ms], ends_at [ms], picture and
--   description of an activity, where an empty one is removed, but an empty keyword stays
--
-- Returns created | updated, or the first refusal of these that there is a reason for:
--   no_such_sale | being_cleared (it is being reset or deleted, or its event deleted) |
--   archived (the event was archived: no sale is created in it, and none opens again) |
--   forgot (Redis lost orders of the sale) | kind_is_fixed | not_of_this_kind |
--   already_open | window_is_empty | purchase_max_lowered | feed_is_fixed | terms_are_fixed |
--   sold_elsewhere | tickets_are_out | one_ticket_each | hold_and_keyword | not_an_activity |
--   ends_before_start | ends_before_closing
-- Writes only for "created" and "updated". The same edit again changes nothing more. A sale that
--   becomes an activity is limited to one unit for each buyer.
-- Flags: allow-oom, so that a sale can be paused when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/number, lib/history, lib/renewal, lib/terms

if came_late() then return "late" end

local sale, buyers, deleted, archived = unpack(KEYS)
if #KEYS ~= 4 or #ARGV < 4 or #ARGV % 2 ~= 0 then
  error({ err = "ERR sale_put takes 4 keys, id, word and pairs of field and value" })
end
local id, word, edit = ARGV[1], ARGV[2], terms_edited(3)

-- Read.

local before = terms_before(sale)
local kind, grants, now = before.kind, whole(before.grants, 0, "grants"), now_ms()
-- Nobody is in the buyers' index of a target.
local has_orders = redis.call("HLEN", buyers) > 0 or kind == "target" and grants > 0

-- Decide. Each of these is a refusal, or false or nil.

-- What forbids any edit, or an edit of what the sale is.
local function stopped()
  if not kind and not edit.kind then
    return "no_such_sale"
  elseif before.clearing or not kind and redis.call("HEXISTS", deleted, "*") == 1 then
    return "being_cleared"
  end
  local closes_at = before.closes_at or ""
  local opens_again = not kind or (edit.closes_at or closes_at) ~= closes_at
  if opens_again and redis.call("EXISTS", archived) == 1 then
    return "archived"
  elseif before.paused == "forgot" then
    return "forgot"
  end
  return kind and edit.kind and edit.kind ~= kind and "kind_is_fixed"
end

-- What is fixed as soon as buyers have orders of an open sale.
local function opened()
  local opens_at = bound_of(before.opens_at, "opens_at")
  local has_opened = kind and has_orders and (not opens_at or opens_at <= now)
  return has_opened and bound_after(edit, before, "opens_at") ~= opens_at and "already_open"
end

-- True when the edit makes another number of a field.
local function changes(field, default)
  local number = whole(before[field], default, field)
  return whole(edit[field], number, field) ~= number
end

-- What is fixed by orders: those that there are, or those that there ever were.
local function sold()
  local units = kind and has_orders and whole(edit.purchase_max, nil, "purchase_max")
  if units and units < whole(before.purchase_max, 2, "purchase_max") then
    return "purchase_max_lowered"
  elseif grants > 0 and edit.feed and (edit.feed == "0") ~= (before.feed == "0") then
    return "feed_is_fixed"
  elseif grants > 0 and (changes("bid_min", 1) or changes("bonus_bp", 0)) then
    return "terms_are_fixed"
  elseif (has_orders or grants > 0) and becomes_activity(edit, before) then
    return "sold_elsewhere"
  end
  local goes_off_show = edit.keyword == "" and (before.keyword or "") ~= ""
  return grants > 0 and goes_off_show and "tickets_are_out"
end

local refusal = stopped() or is_foreign(edit, kind or edit.kind) and "not_of_this_kind" or opened()
  or window_refusal(edit, before) or sold() or terms_refusal(edit, before)
if refusal then
  return refusal
end

-- Write.

local set, removed = terms_written(edit, before)
local function add(field, value)
  set[#set + 1], set[#set + 2] = field, value
end
if not kind then
  add("history", history_after(nil, nil, redis.call("HGET", deleted, id), word))
end
if not kind and edit.kind ~= "target" then -- from the beginning, each order that dies is counted
  add("gone", "0")
  add("gone_since", digits(now))
end
if #set > 0 then
  redis.call("HSET", sale, unpack(set))
end
if #removed > 0 then
  redis.call("HDEL", sale, unpack(removed))
end
return kind and "updated" or "created"
