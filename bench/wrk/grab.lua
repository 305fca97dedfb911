-- wrk script: every request is a new user asking for one unit. Arguments: run name, sale id.
-- The last line that it prints is for programs: see done().
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  head = "goods=" .. arguments[2] .. "&purchase=1&username=" .. arguments[1] .. "-" .. number .. "-"
  count = 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

function request()
  count = count + 1
  return wrk.format(nil, nil, nil, head .. count)
end

-- "measured", answers that were 2xx, microseconds, p50 and p99 in microseconds, answers that were
-- not 2xx, and requests without an answer.
function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("measured %d %d %d %d %d %d", summary.requests - errors.status,
    summary.duration, latency:percentile(50), latency:percentile(99), errors.status, lost))
end
