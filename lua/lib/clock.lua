-- clock: the time of Redis, the one authority for windows and deadlines.

local script_now

-- Milliseconds since the epoch, the same all through a script: all decisions of a batch share one.
local function now_ms()
  if not script_now then
    local time = redis.call("TIME")
    script_now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return script_now
end
