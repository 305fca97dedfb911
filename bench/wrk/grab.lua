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

-- "measured", answers, microseconds, p50 and p99 in microseconds, answers that were not 2xx or
-- did not come.
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("measured %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed))
end
