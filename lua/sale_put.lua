-- sale_put: creates a sale, or changes the fields given, when its state allows it.
--
-- KEYS[1] sale    [hash]            kind, window, purchase_max, paused, hold, feed, terms, activity,
--   history, counters
-- KEYS[2] buyers  [hash]            username -> order id
-- KEYS[3] deleted [hash]            sale id -> number of its last history; * while the event is being
--   deleted
-- KEYS[4] archived [string]         when the event was archived
-- ARGV[1] id      [sale id]         of the sale
-- ARGV[2] word    [text]            of its history, if it is created
-- ARGV[3...] pairs of field and value: kind, title, opens_at [ms], closes_at [ms],
--   purchase_max [units], paused [0|1], hold [ms], cancel_until [ms], feed [0|1]; an empty
--   time removes the bound; orders_max [orders, 0 is no limit], not of a target; bid_min [cents] and
--   bonus_bp [basis points] of a target; keyword, place, starts_at [ms], ends_at [ms], picture and
--   description of an activity, where an empty one is removed, but an empty keyword stays
--
-- Returns created | updated, or a refusal that changes nothing:
--   no_such_sale | kind_is_fixed | already_open | purchase_max_lowered | window_is_empty |
--   feed_is_fixed | terms_are_fixed | not_of_this_kind | hold_and_keyword | one_ticket_each |
--   sold_elsewhere | tickets_are_out | not_an_activity | ends_before_start | ends_before_closing |
--   forgot (Redis has forgotten orders of the sale) | being_cleared (it is being reset or deleted, or its event deleted) |
--   archived (the event was archived: no sale is created in it, and none opens again)
-- Writes only for "created" and "updated". The same edit again changes nothing more. A sale that
--   becomes an activity is limited to one unit for each buyer.
-- Flags: allow-oom, so that a sale can be paused when Redis is full.
-- Uses: lib/clock, lib/deadline, lib/stock, lib/history

if came_late() then return "late" end

local sale, buyers, deleted, archived = unpack(KEYS)
if #KEYS ~= 4 or #ARGV < 4 or #ARGV % 2 ~= 0 then
  error({ err = "ERR sale_put takes 4 keys, id, word and pairs of field and value" })
end
local edit = {}
for i = 3, #ARGV, 2 do
  edit[ARGV[i]] = ARGV[i + 1]
end

-- Fields that an empty text removes, and fields that it does not.
local removable = {
  opens_at = true, closes_at = true, hold = true, cancel_until = true, place = true, starts_at = true,
  ends_at = true, picture = true, description = true,
}
local lasting = {
  kind = true, title = true, purchase_max = true, paused = true, feed = true, bid_min = true,
  bonus_bp = true, keyword = true, orders_max = true,
}
for field in pairs(edit) do
  if not (removable[field] or lasting[field]) then
    error({ err = "ERR sale_put: no such field: " .. field })
  end
end

local kind, opens_at, closes_at, purchase_max, fed, grants, bid_min, bonus_bp, paused, clearing =
  unpack(redis.call("HMGET", sale, "kind", "opens_at", "closes_at", "purchase_max", "feed", "grants",
    "bid_min", "bonus_bp", "paused", "clearing"))
grants = whole(grants, 0, "grants")
-- Nobody is in the buyers' index of a target.
local has_orders = redis.call("HLEN", buyers) > 0 or kind == "target" and grants > 0
local now = now_ms()

if not kind and not edit.kind then
  return "no_such_sale"
end
if clearing or not kind and redis.call("HEXISTS", deleted, "*") == 1 then
  return "being_cleared"
end
local reopens = not kind or (edit.closes_at or closes_at or "") ~= (closes_at or "")
if reopens and redis.call("EXISTS", archived) == 1 then
  return "archived"
end
if paused == "forgot" then
  return "forgot"
end
if kind and edit.kind and edit.kind ~= kind then
  return "kind_is_fixed"
end
local about = edit.place or edit.starts_at or edit.ends_at or edit.picture or edit.description
local of_targets = edit.bid_min or edit.bonus_bp
-- Whoever takes away a limit, a hold or a keyword that no target has changes nothing.
local of_units = edit.purchase_max or (edit.orders_max or "0") ~= "0" or (edit.hold or "") ~= ""
  or (edit.keyword or "") ~= "" or about
if (kind or edit.kind) == "target" and of_units or (kind or edit.kind) ~= "target" and of_targets then
  return "not_of_this_kind"
end

-- What a bound is after this edit: the edit's, or the stored one; nil is no bound.
local function bound(edited, stored, what)
  local text = edited or stored
  if not text or text == "" then
    return nil
  end
  return whole(text, nil, what)
end

local opens_before, opens_after = bound(nil, opens_at, "opens_at"), bound(edit.opens_at, opens_at, "opens_at")
local closes_after = bound(edit.closes_at, closes_at, "closes_at")
local has_opened = kind and has_orders and (not opens_before or opens_before <= now)
if has_opened and opens_after ~= opens_before then
  return "already_open"
end
if opens_after and closes_after and closes_after < opens_after then
  return "window_is_empty"
end
local max_after = whole(edit.purchase_max, nil, "purchase_max")
if kind and has_orders and max_after and max_after < whole(purchase_max, 2, "purchase_max") then
  return "purchase_max_lowered"
end

local feed_changes = edit.feed and (edit.feed == "0") ~= (fed == "0")
if feed_changes and grants > 0 then
  return "feed_is_fixed"
end
bid_min, bonus_bp = whole(bid_min, 1, "bid_min"), whole(bonus_bp, 0, "bonus_bp")
local terms_change = whole(edit.bid_min, bid_min, "bid_min") ~= bid_min
  or whole(edit.bonus_bp, bonus_bp, "bonus_bp") ~= bonus_bp
if terms_change and grants > 0 then
  return "terms_are_fixed"
end

-- Whoever has the field `keyword` is an activity, for ever, and has its own door: an empty one takes
-- it off show and leaves it there. What an activity is may change at any time, but its end never
-- comes before that of its booking.
local hold, keyword, starts_at, ends_at =
  unpack(redis.call("HMGET", sale, "hold", "keyword", "starts_at", "ends_at"))
local becomes = not keyword and (edit.keyword or "") ~= ""
local is_activity = keyword or becomes
if becomes and (has_orders or grants > 0) then
  return "sold_elsewhere"
end
if keyword and keyword ~= "" and edit.keyword == "" and grants > 0 then
  return "tickets_are_out"
end
if not is_activity then
  edit.keyword = nil
elseif whole(edit.purchase_max or becomes and purchase_max, 1, "purchase_max") ~= 1 then
  return "one_ticket_each"
elseif becomes then
  edit.purchase_max = "1"
end
if is_activity and (edit.keyword or edit.hold) and (bound(edit.hold, hold, "hold") or 0) > 0 then
  return "hold_and_keyword"
end
if about and not is_activity then
  return "not_an_activity"
end
local starts_after = bound(edit.starts_at, edit.ends_at and starts_at, "starts_at")
local ends_after = bound(edit.ends_at, (edit.starts_at or edit.closes_at) and ends_at, "ends_at")
if starts_after and ends_after and ends_after < starts_after then
  return "ends_before_start"
end
-- Nobody books what is over.
local closing_changes = edit.ends_at or edit.closes_at
if closing_changes and ends_after and (not closes_after or closes_after > ends_after) then
  return "ends_before_closing"
end
bound(edit.hold, nil, "hold")
bound(edit.cancel_until, nil, "cancel_until")
whole(edit.orders_max, nil, "orders_max")

if not kind then
  edit.history = history_after(nil, nil, redis.call("HGET", deleted, ARGV[1]), ARGV[2])
  if edit.kind ~= "target" then -- from the beginning, each order that dies is counted
    edit.gone, edit.gone_since = "0", ms_text(now)
  end
end
for field, value in pairs(edit) do
  if value == "" and removable[field] then
    redis.call("HDEL", sale, field)
  else
    redis.call("HSET", sale, field, value)
  end
end
return kind and "updated" or "created"
