-- request: the same buyer's same request gets the same order for ever.

-- The field of a request in the hash of requests.
local function request_field(username, request_id)
  return username .. "\t" .. request_id
end

-- The order `id` that a request got before, as an answer, and its lines.
local function request_order(orders, id)
  local record = redis.call("HGET", orders, id)
  if not record then
    error({ err = "ERR order " .. id .. " of a request is missing" })
  end
  return id .. "\n" .. record, order_read(id, record).lines
end
