-- number: whole numbers, as Redis stores them.

-- A whole number from its text, or the default when the text is absent; anything else raises.
-- 15 digits stay exact in the doubles of Lua, and Redis can count on from any such text.
local function whole(text, default, what)
  if not text then
    return default
  end
  if #text > 15 or not (text == "0" or string.find(text, "^[1-9]%d*$")) then
    error({ err = "ERR " .. what .. " is not a whole number: " .. text })
  end
  return text + 0 -- the same as tonumber, in half the time
end

-- The text of a whole number, digit by digit: Lua by itself keeps no more than 14 of them.
local function digits(number)
  return string.format("%.0f", number)
end
