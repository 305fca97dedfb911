-- order: an order, read from its record and written in another state. lib/record says what a record
-- looks like.

-- A unit of a record as it was in stock, byte for byte.
local function unit_raw(unit)
  return (string.gsub(unit, "%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local order_states = {
  held = true, confirmed = true, used = true, cancelled = true, expired = true,
}

local function order_unreadable(id)
  error({ err = "ERR order " .. id .. " has a malformed record" })
end

-- The lines of a record: one entry for each sale, also when somebody wrote two lines of one sale.
local function order_lines(id, text)
  local lines, of_sale = {}, {}
  for line_text in string.gmatch(text .. "\n", "([^\n]*)\n") do
    local goods, purchase, named = string.match(line_text, "^([^\t]+)\t([1-9]%d*)(.*)$")
    local requested, bonus, paid = string.match(named or "", "^/([1-9]%d*)/(%d+)/([01])/[01]$")
    if not goods or not (requested or named == "" or string.find(named, "^\t")) then
      order_unreadable(id)
    end
    local line = of_sale[goods]
    if line and (line.bid or requested) then
      order_unreadable(id)
    end
    if not line then
      line = { goods = goods, purchase = 0, units = {} }
      of_sale[goods] = line
      lines[#lines + 1] = line
    end
    line.purchase = line.purchase + whole(purchase, nil, "purchase")
    if requested then
      line.bid = { requested = whole(requested, nil, "requested"),
        bonus = whole(bonus, nil, "bonus"), paid = paid == "1" }
      if line.bid.bonus > line.purchase or line.purchase > line.bid.requested then
        order_unreadable(id)
      end
      named = ""
    end
    for unit in string.gmatch(named, "\t([^\t]*)") do
      line.units[#line.units + 1] = unit_raw(unit)
    end
  end
  return lines
end

-- An order from its record; raises when the reader of the store would refuse it: that one must read
-- what a change leaves behind. What no change touches stays text.
local function order_read(id, record)
  local state, created, username, tail, text =
    string.match(record, "^(%l+)\t(%d+)\t([^%c]+)([^\n]*)\n(.+)$")
  local at, request = string.match(tail or "", "^\t?(%d*)(.*)$")
  if not order_states[state] or (state == "held" and at == "")
    or not (tail == "" or string.find(tail, "^\t%d*$") or string.find(tail, "^\t%d*\t[^%c]+$")) then
    order_unreadable(id)
  end
  whole(created, nil, "time of order " .. id) -- stays text, too
  return {
    id = id, state = state, created = created, username = username, request = request, text = text,
    at = whole(at ~= "" and at, nil, "time of order " .. id), lines = order_lines(id, text),
  }
end

-- The record of an order that came into this state at this time.
local function order_record(order, state, at)
  return table.concat({ state, order.created, order.username, at }, "\t")
    .. order.request .. "\n" .. order.text
end
