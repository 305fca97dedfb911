-- basket: the lines of a placement, and how the sale of each stands.

-- A line from its four keys and its five arguments.
local function line_of(keys, args)
  return { sale = keys[1], stock = keys[2], buyers = keys[3], gone = keys[4],
    goods = args[1], purchase = whole(args[2], 0, "purchase"), past = past_of(args[3], args[4], args[5]) }
end

-- Adds to a line how its sale stands; false when there is no such sale. Every key is read with the
-- type that it is written with, and every counter is a number.
local function line_look(line, now, username)
  local kind, keyword, opens_at, closes_at, purchase_max, paused, hold, fed, held, confirmed, grants,
    granted_at, history, orders_max, gone_most = unpack(redis.call("HMGET", line.sale, "kind", "keyword",
      "opens_at", "closes_at", "purchase_max", "paused", "hold", "feed", "held", "confirmed", "grants",
      "granted_at", "history", "orders_max", "gone_most"))
  if not kind then
    return false
  end
  if kind ~= "list" and kind ~= "counter" and kind ~= "target" then
    error({ err = "ERR order_place: sale " .. line.goods .. " has the kind " .. kind })
  end
  opens_at = whole(opens_at, 0, "opens_at")
  line.kind, line.is_activity, line.paused, line.history = kind, keyword, paused, history or "1-"
  line.purchase_max = whole(purchase_max, 2, "purchase_max")
  line.opens_at, line.opens_in = opens_at, math.max(0, opens_at - now)
  line.grants, line.granted_at = whole(grants, 0, "grants"), whole(granted_at, 0, "granted_at")
  line.lost = is_lost(line.past, line.history, line.grants, line.granted_at)
  line.closed = line.lost and "forgot" or closed_at(now, paused, opens_at, closes_at)
  line.left, line.owned = stock_left(kind, line.stock), redis.call("HGET", line.buyers, username)
  whole(held, 0, "held")
  whole(confirmed, 0, "confirmed")
  local gone_max = gone_limit(orders_max, gone_most)
  line.is_used_up = gone_max
    and gone_number(redis.call("HGET", line.gone, username), line.gone) >= gone_max
  line.hold, line.fed = whole(hold, 0, "hold"), fed ~= "0"
  return true
end

-- How the sale of a line stands, for the caller.
local function line_standing(line)
  return { line.left, line.grants, line.granted_at, line.closed or "open", line.purchase_max,
    line.opens_in, line.history, line.kind }
end
