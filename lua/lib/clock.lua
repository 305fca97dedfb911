-- clock: the time of Redis, the one authority for windows and deadlines.

-- Milliseconds since the epoch. Call it once in a script: every decision of a batch shares one now.
local function now_ms()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Milliseconds as Redis stores them: a number of this size would become 1.7e+12.
local function ms_text(ms)
  return string.format("%.0f", ms)
end
