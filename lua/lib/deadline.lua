-- deadline: a change that a person asked for is made in time or not at all, whatever held the call
-- on its way.

-- True when a script starts after its deadline: it then returns "late" and writes nothing. The
-- deadline is the last argument of each script that uses this part, in ms of the clock of Redis;
-- empty: whenever it comes. It is taken away here, so the rest of the script does not see it.
local function came_late()
  local start_by = table.remove(ARGV)
  if not start_by or not string.find(start_by, "^%d*$") then
    error({ err = "ERR the last argument must be a deadline in ms, or empty" })
  end
  return start_by ~= "" and now_ms() > start_by + 0
end
