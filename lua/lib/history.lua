-- history: whether a sale is still the one that the caller knew. The field `history` of a sale is
-- N-word; a sale without it has "1-". src/domain/sale/history.rs judges by the same rule.

-- The number of a history.
local function history_number(history)
  local number = #history <= 48 and string.match(history, "^([1-9]%d*)%-[%l%d]*$")
  if not number then
    error({ err = "UNREADABLE history is not N-word: " .. history })
  end
  return whole(number, nil, "history")
end

-- What the caller saw acknowledged of a sale: its history (empty: nothing), the orders granted in
-- it, and when the last of them was granted [ms].
local function past_of(history, grants, granted_at)
  return { history = history, grants = whole(grants, nil, "known grants"),
    granted_at = whole(granted_at, nil, "known granted_at") }
end

-- True when the sale lost some of this past.
local function is_lost(past, history, grants, granted_at)
  if past.history == history then
    return grants < past.grants or grants == past.grants and granted_at ~= past.granted_at
  end
  local number = history_number(history)
  return past.history ~= "" and number <= history_number(past.history)
end

-- The largest number of a history that a server knew of a sale that was stopped.
local function sale_known(sale)
  return whole(redis.call("HGET", sale, "known"), 0, "known")
end

-- Stops a sale that lost some of this past, until it is resumed after the loss. `paused`
-- is its field before; the same again writes nothing.
local function sale_stop(sale, past, paused)
  local known = sale_known(sale)
  local number = history_number(past.history)
  if paused ~= "forgot" or known < number then
    redis.call("HSET", sale, "paused", "forgot", "known", math.max(known, number))
  end
end
