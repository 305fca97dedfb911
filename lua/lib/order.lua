-- order: the record of an order, one text:
--   state TAB created_ms TAB username [TAB at_ms [TAB request_id]] LF
--   goods TAB purchase [TAB unit]... [LF and so on, one line for each sale]
-- at_ms is the deadline of a held order, and for others the time of the last change; empty: none.

-- Units that were pushed by hand may hold any byte, so control characters are written as %XX.
local function units_escaped(units)
  if string.find(table.concat(units), "[%c%%]") then
    for n, unit in ipairs(units) do
      units[n] = string.gsub(unit, "[%c%%]", function(char)
        return string.format("%%%02X", string.byte(char))
      end)
    end
  end
  return units
end

-- The line of a sale up to its units, if there are any.
local function order_line(goods, purchase, named)
  return goods .. "\t" .. purchase .. (named and "\t" or "")
end
