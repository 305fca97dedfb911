-- terms: the fields of a sale that operators decide, and which of them go together. `edit` has the
-- fields that are edited, `before` what the sale has; both as text.

-- The fields, and what each holds. An empty text removes a bound and a note; it stays elsewhere.
local terms = {
  kind = "word", paused = "word", feed = "word", keyword = "word", title = "word",
  purchase_max = "number", orders_max = "number", bid_min = "number", bonus_bp = "number",
  opens_at = "bound", closes_at = "bound", hold = "bound", cancel_until = "bound",
  starts_at = "bound", ends_at = "bound",
  place = "note", picture = "note", description = "note",
}

-- The fields that an edit depends on, and those that say how far the sale has come.
local terms_read = { "kind", "keyword", "opens_at", "closes_at", "purchase_max", "hold", "feed",
  "bid_min", "bonus_bp", "starts_at", "ends_at", "paused", "clearing", "grants" }

-- A bound, or nil where there is none.
local function bound_of(text, field)
  return text ~= "" and whole(text, nil, field) or nil
end

-- The edit in ARGV: pairs of field and value, from the place `first` on.
local function terms_edited(first)
  local edit = {}
  for n = first, #ARGV, 2 do
    local field, value = ARGV[n], ARGV[n + 1]
    if not terms[field] then
      error({ err = "ERR sale_put: no such field: " .. field })
    elseif terms[field] == "number" then
      whole(value, nil, field)
    elseif terms[field] == "bound" then
      bound_of(value, field)
    end
    edit[field] = value
  end
  return edit
end

-- What the sale has of `terms_read` before the edit; kind is false when there is no such sale.
local function terms_before(sale)
  local before = {}
  for n, value in ipairs(redis.call("HMGET", sale, unpack(terms_read))) do
    before[terms_read[n]] = value
  end
  return before
end

-- A bound as it is after the edit.
local function bound_after(edit, before, field)
  return bound_of(edit[field] or before[field], field)
end

-- True when the edit says something about an activity.
local function is_about(edit)
  return edit.place or edit.starts_at or edit.ends_at or edit.picture or edit.description
end

-- True when the edit makes an activity of the sale. An activity is a sale with the field `keyword`:
-- it stays one for ever, and has a door of its own. An empty keyword takes it off show.
local function becomes_activity(edit, before)
  return not before.keyword and (edit.keyword or "") ~= ""
end

-- True when the edit has a field that no sale of this kind has. To take away a limit, a hold or a
-- keyword that no target has changes nothing.
local function is_foreign(edit, kind)
  if kind ~= "target" then
    return edit.bid_min or edit.bonus_bp
  end
  return edit.purchase_max or (edit.orders_max or "0") ~= "0" or (edit.hold or "") ~= ""
    or (edit.keyword or "") ~= "" or is_about(edit)
end

-- Whether the sale would close before it opens.
local function window_refusal(edit, before)
  local opens_at = bound_after(edit, before, "opens_at")
  local closes_at = bound_after(edit, before, "closes_at")
  return opens_at and closes_at and closes_at < opens_at and "window_is_empty"
end

-- What an activity may not have: more than one unit for each buyer, and a hold.
local function activity_refusal(edit, before)
  local purchase_max = edit.purchase_max
  if becomes_activity(edit, before) then
    purchase_max = purchase_max or before.purchase_max
  end
  if whole(purchase_max, 1, "purchase_max") ~= 1 then
    return "one_ticket_each"
  end
  local hold = (edit.keyword or edit.hold) and bound_after(edit, before, "hold")
  return hold and hold > 0 and "hold_and_keyword"
end

-- What the times of an activity may not be, where one of them is edited: its end is neither before
-- its start nor before its closing, because nobody books what is over.
local function times_refusal(edit, before)
  local starts_at = edit.starts_at or edit.ends_at and before.starts_at
  local ends_at = edit.ends_at or (edit.starts_at or edit.closes_at) and before.ends_at
  starts_at, ends_at = bound_of(starts_at, "starts_at"), bound_of(ends_at, "ends_at")
  if starts_at and ends_at and ends_at < starts_at then
    return "ends_before_start"
  end
  if not ends_at or not (edit.ends_at or edit.closes_at) then
    return nil
  end
  local closes_at = bound_after(edit, before, "closes_at")
  return (not closes_at or closes_at > ends_at) and "ends_before_closing"
end

-- Which terms of the sale do not go together after the edit.
local function terms_refusal(edit, before)
  local refusal
  if before.keyword or becomes_activity(edit, before) then
    refusal = activity_refusal(edit, before)
  elseif is_about(edit) then
    refusal = "not_an_activity"
  end
  return refusal or times_refusal(edit, before)
end

-- What the edit sets: pairs of field and value; and which fields it removes. A sale that becomes an
-- activity is limited to one unit for each buyer.
local function terms_written(edit, before)
  local set, removed, becomes = {}, {}, becomes_activity(edit, before)
  for field, value in pairs(edit) do
    local is_idle = field == "keyword" and not (before.keyword or becomes)
      or field == "purchase_max" and becomes
    if value == "" and (terms[field] == "bound" or terms[field] == "note") then
      removed[#removed + 1] = field
    elseif not is_idle then
      set[#set + 1], set[#set + 2] = field, value
    end
  end
  if becomes then
    set[#set + 1], set[#set + 2] = "purchase_max", "1"
  end
  return set, removed
end
