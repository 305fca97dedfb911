-- stock: how many units a sale has left, or cents a target. The stock key is the truth; there is
-- no second count.

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
