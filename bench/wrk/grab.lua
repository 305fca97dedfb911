-- wrk script: every request is a new user asking for one unit. Arguments: run name, sale id.
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
