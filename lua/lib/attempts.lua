-- attempts: who asks for how much in a batch.

-- Usernames, quantities and order ids of the attempts in ARGV: a triple for each, after the first
-- `at` arguments.
local function attempts_of(at, count)
  -- Few quantities repeat many times: each text is checked once.
  local quantities = setmetatable({}, { __index = function(known, text)
    local quantity = whole(text, 0, "purchase")
    if quantity == 0 then
      error({ err = "ERR sale_grab: purchase must be at least 1" })
    end
    known[text] = quantity
    return quantity
  end })
  local args, users, wants, ids = ARGV, {}, {}, {}
  for i = 1, count do
    users[i], wants[i], ids[i] = args[at + 1], quantities[args[at + 2]], args[at + 3]
    at = at + 3
  end
  return users, wants, ids
end
