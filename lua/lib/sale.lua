-- sale: how a sale stands at an instant, and what new orders change of it: for the scripts that
-- grant.

-- The sale at `key` with its stock: its fields as text, for those who grant units; nil when there
-- is no such sale.
local function sale_fields(key, stock)
  local kind, keyword, opens_at, closes_at, purchase_max, paused, hold, fed, held, confirmed,
    grants, granted_at, history, orders_max, gone_most = unpack(redis.call("HMGET", key, "kind",
    "keyword", "opens_at", "closes_at", "purchase_max", "paused", "hold", "feed", "held",
    "confirmed", "grants", "granted_at", "history", "orders_max", "gone_most"))
  return kind and { key = key, stock = stock, kind = kind, keyword = keyword, opens_at = opens_at,
    closes_at = closes_at, purchase_max = purchase_max, paused = paused, hold = hold,
    fed = fed ~= "0", held = held, confirmed = confirmed, grants = grants, granted_at = granted_at,
    history = history, orders_max = orders_max, gone_most = gone_most } or nil
end

-- Makes numbers of the fields, and adds how the sale stands `now` for a caller with this past:
-- `lost`, it has forgotten some of it; `closed`, why it grants nothing, whatever is left; `left`;
-- and `gone_max`, as lib/gone says.
local function sale_look(sale, past, now)
  local grants, history = whole(sale.grants, 0, "grants"), sale.history or "1-"
  local granted_at = whole(sale.granted_at, 0, "granted_at")
  local opens_at = whole(sale.opens_at, 0, "opens_at")
  local lost = is_lost(past, history, grants, granted_at)
  sale.now, sale.grants, sale.granted_at, sale.history = now, grants, granted_at, history
  sale.opens_at, sale.lost = opens_at, lost
  sale.closed = lost and "forgot" or closed_at(now, sale.paused, opens_at, sale.closes_at)
  sale.left = stock_left(sale.kind, sale.stock)
  sale.purchase_max = whole(sale.purchase_max, 2, "purchase_max")
  sale.hold = whole(sale.hold, 0, "hold")
  sale.gone_max = gone_limit(sale.orders_max, sale.gone_most)
end

-- How the sale stands, as callers are told, and one thing more.
local function sale_standing(sale, more)
  return { sale.left, sale.grants, sale.granted_at, sale.closed or "open", sale.purchase_max,
    math.max(0, sale.opens_at - sale.now), sale.history, more }
end

-- Grants so many orders of so many units in all, at `at` [ms, text]. Returns the units, as records
-- name them; nil when they have no names.
local function sale_grant(sale, state, orders, units, at)
  local named
  if sale.kind == "list" then
    named = units_escaped(redis.call("LPOP", sale.stock, units))
  else
    redis.call("DECRBY", sale.stock, units)
  end
  sale.left, sale.grants, sale.granted_at = sale.left - units, sale.grants + orders, sale.now
  redis.call("HINCRBY", sale.key, state, units)
  redis.call("HSET", sale.key, "grants", sale.grants, "granted_at", at)
  return named
end
