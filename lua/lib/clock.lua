-- clock: the time of Redis, the one authority for windows and deadlines.

local script_now

-- Milliseconds since the epoch, the same all through a script: every decision of a batch shares one.
local function now_ms()
  if not script_now then
    local time = redis.call("TIME")
    script_now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return script_now
end

-- Milliseconds as Redis stores them: a number of this size would become 1.7e+12.
local function ms_text(ms)
  return string.format("%.0f", ms)
end
