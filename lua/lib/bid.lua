-- bid: what a target takes of an amount, and how a bid stands in its record.

-- The kind of the sale at `key`, if there is such a sale; and, when it is a target, how it stands
-- `now` for a caller with this past: `lost`, it has forgotten some of it; `closed`, why it accepts
-- nothing, whatever is left.
local function bid_look(key, stock, past, now)
  local kind, opens_at, closes_at, paused, bid_min, bonus_bp, fed, confirmed, grants, granted_at,
    history = unpack(redis.call("HMGET", key, "kind", "opens_at", "closes_at", "paused", "bid_min",
    "bonus_bp", "feed", "confirmed", "grants", "granted_at", "history"))
  if kind ~= "target" then
    return kind
  end
  bid_min, bonus_bp = whole(bid_min, 1, "bid_min"), whole(bonus_bp, 0, "bonus_bp")
  whole(confirmed, 0, "confirmed")
  grants, granted_at = whole(grants, 0, "grants"), whole(granted_at, 0, "granted_at")
  if bonus_bp > 10000 then
    error({ err = "ERR bonus_bp is more than 10000: " .. bonus_bp })
  end
  history, opens_at = history or "1-", whole(opens_at, 0, "opens_at")
  local lost = is_lost(past, history, grants, granted_at)
  return kind, { lost = lost, opens_at = opens_at, paused = paused, bid_min = bid_min,
    closed = lost and "forgot" or closed_at(now, paused, opens_at, closes_at), fed = fed ~= "0",
    bonus_bp = bonus_bp, left = stock_left(kind, stock), grants = grants, granted_at = granted_at,
    history = history }
end

-- The bonus on so many cents that were accepted.
local function bid_bonus(accepted, bonus_bp)
  -- In two steps, because a product of this size would lose its last digits.
  return math.floor(accepted / 10000) * bonus_bp
    + math.floor(accepted % 10000 * bonus_bp / 10000)
end

-- The line of a record: what was accepted of an amount, and the bonus on it [cents]; whether an
-- account paid it, and whether it filled the target.
local function bid_line(goods, accepted, amount, bonus, paid, filled)
  local cents = { digits(accepted), digits(amount), digits(bonus) }
  local bits = "/" .. (paid and "1" or "0") .. "/" .. (filled and "1" or "0")
  return goods .. "\t" .. table.concat(cents, "/") .. bits
end
