-- stock: how many units a sale has left, or cents a target. The stock key is the truth; there is
-- no second count.

-- A whole number as Redis stores one, or the default when it is absent; anything else raises.
-- 15 digits stay exact in the doubles of Lua, and Redis can count on from any such text.
local function whole(text, default, what)
  if not text then
    return default
  end
  if #text > 15 or not (text == "0" or string.find(text, "^[1-9]%d*$")) then
    error({ err = "ERR " .. what .. " is not a whole number: " .. text })
  end
  return tonumber(text)
end

-- Units in stock, as the key says: below 0 when somebody decremented a counter by hand. A key that
-- does not exist is a stock of 0.
local function stock_counted(kind, stock)
  if kind == "list" then
    return redis.call("LLEN", stock)
  end
  local text = redis.call("GET", stock)
  if text and #text <= 16 and string.find(text, "^%-[1-9]%d*$") then
    return tonumber(text)
  end
  return whole(text, 0, stock)
end

-- Units that can be sold: none of a stock below 0. The audit names what is missing there.
local function stock_left(kind, stock)
  local counted = stock_counted(kind, stock)
  return counted > 0 and counted or 0
end

-- Puts units back at the head of a list, in their order: the first of them is sold first.
local function stock_return(stock, units)
  for last = #units, 1, -1000 do -- far below the 8000 values that unpack can return
    local slice = {}
    for n = last, math.max(1, last - 999), -1 do
      slice[#slice + 1] = units[n]
    end
    redis.call("LPUSH", stock, unpack(slice))
  end
end

-- Units, of a target cents, in the orders of a sale that are alive.
local function units_alive(sale)
  local units = 0
  for _, text in ipairs(redis.call("HMGET", sale, "held", "confirmed", "used")) do
    units = units + whole(text, 0, "a counter of " .. sale)
  end
  return units
end
