-- record: the record of an order, one text:
--   state TAB created_ms TAB username [TAB at_ms [TAB request_id]] LF
--   goods TAB purchase [TAB unit]... [LF and so on, one line for each sale]
-- or, for a bid, the one line
--   goods TAB accepted/requested/bonus/paid/filled   cents, and twice 0 or 1
-- at_ms is the deadline of a held order, and for others the time of the last change; empty: none.
-- lib/order reads it.

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

-- An order that exists, as an answer: id LF record; or "broken: " and its id, when its record was
-- deleted or holds the byte 30, which separates answers.
local function order_shown(id, record)
  local answer = record and id .. "\n" .. record
  if answer and not string.find(answer, "\30", 1, true) then
    return answer
  end
  return "broken: " .. string.gsub(id, "%c", "?")
end
