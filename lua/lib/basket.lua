-- basket: the lines of a placement: what is asked for of each sale, and how that stands.

-- The lines that are asked for, each from four keys and five arguments; four of both come before.
local function basket_of(count)
  local lines, seen = {}, {}
  for i = 1, count do
    local key, stock, buyers, gone = unpack(KEYS, 4 * i + 1, 4 * i + 4)
    local goods, purchase, history, grants, granted_at = unpack(ARGV, 5 * i, 5 * i + 4)
    purchase = whole(purchase, 0, "purchase")
    if purchase == 0 or seen[goods] then
      error({ err = "ERR order_place: purchase must be at least 1 and no goods twice: " .. goods })
    end
    seen[goods] = true
    lines[i] = { key = key, stock = stock, buyers = buyers, gone = gone, goods = goods,
      purchase = purchase, past = past_of(history, grants, granted_at) }
  end
  return lines
end

-- Looks how the sale of a line stands; false when there is no such sale. Every key is read with the
-- type that it is written with, and every counter is a number.
local function line_look(line, username, now)
  local sale = sale_fields(line.key, line.stock)
  if not sale then
    return false
  end
  if sale.kind ~= "list" and sale.kind ~= "counter" and sale.kind ~= "target" then
    error({ err = "ERR order_place: sale " .. line.goods .. " has the kind " .. sale.kind })
  end
  sale_look(sale, line.past, now)
  whole(sale.held, 0, "held")
  whole(sale.confirmed, 0, "confirmed")
  line.sale, line.owned = sale, redis.call("HGET", line.buyers, username)
  line.is_used_up = sale.gone_max
    and gone_number(redis.call("HGET", line.gone, username), line.gone) >= sale.gone_max
  return true
end

-- True when an order has just the lines that are asked for, in any order.
local function basket_is(lines, of_order)
  local wanted = {}
  for _, line in ipairs(lines) do
    wanted[line.goods] = line.purchase
  end
  for _, line in ipairs(of_order) do
    if wanted[line.goods] ~= line.purchase then
      return false
    end
  end
  return #of_order == #lines
end

-- Why nothing is granted, and of which line: each check for all lines before the next one. nil:
-- all of it is granted.
local function basket_refusal(lines)
  local checks = {
    function(line) return line.purchase > line.sale.purchase_max and "invalid_purchase" end,
    function(line) return line.owned and "already_grabbed" end,
    function(line) return line.sale.closed end,
    function(line)
      local left = line.sale.left
      return left == 0 and "sold_out" or left < line.purchase and "insufficient_stock"
    end,
    function(line) return line.is_used_up and "too_many_orders" end,
  }
  for _, check in ipairs(checks) do
    for _, line in ipairs(lines) do
      local refusal = check(line)
      if refusal then
        return refusal, line
      end
    end
  end
end

-- Grants a line at `at` [ms, text]; returns it as it stands in the record.
local function line_grant(line, state, at)
  local units = sale_grant(line.sale, state, 1, line.purchase, at)
  local text = order_line(line.goods, line.purchase, units)
  return units and text .. table.concat(units, "\t") or text
end

-- An answer, and how the sale of each line stands.
local function basket_reply(lines, answer, about)
  local reply = { answer, about }
  for i, line in ipairs(lines) do
    reply[i + 2] = sale_standing(line.sale, line.sale.kind)
  end
  return reply
end
