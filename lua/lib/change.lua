-- change: takes orders from one state into another: their records, the holds, the feed, and the
-- counters of their sales. A dead state also gives units back and counts the deaths.
--
-- Orders are added one by one: each is checked, and one that is broken raises and leaves the change
-- as it was. Then the change is written, and nothing can fail after its first write.
--
-- It is not for a change within one state, such as a new deadline of a hold.

-- A change `from` one state `to` another, at `at` [ms, text]. `sales` has the keys by sale id:
-- { key = its hash }, and with stock, buyers and gone when the orders die.
local function change_of(from, to, at, sales)
  return { from = from, to = to, at = at, sales = sales, orders = {}, fed = {} }
end

-- The order of this id with its record, if `buyer` may change it (empty: anybody may); else nil.
local function order_of(orders, id, buyer)
  local record = redis.call("HGET", orders, id)
  local order = record and order_read(id, record)
  if not order or (buyer ~= "" and buyer ~= order.username) then
    return nil
  end
  order.record = record
  return order
end

-- The answer about an order that stays as it is. For a caller who waits for replicas its record is
-- written again: they are waited for from the last write on.
local function unchanged(word, orders, order, waits)
  if waits then
    redis.call("HSET", orders, order.id, order.record)
  end
  return { word, order.record }
end

-- What a change may do to a sale: read once, before anything is written.
local function change_sale(change, goods)
  local sale = change.sales[goods]
  if not sale then
    error({ err = "ERR there are no keys for a line of sale " .. goods })
  end
  if sale.kind then
    return sale
  end
  local kind, fed, counted, counted_to, paused, clearing, gone, gone_most =
    unpack(redis.call("HMGET", sale.key, "kind", "feed", change.from, change.to, "paused",
      "clearing", "gone", "gone_most"))
  if kind ~= "list" and kind ~= "counter" then
    error({ err = "UNREADABLE sale " .. goods .. " has "
      .. (kind and "the kind " .. kind or "no kind") })
  end
  sale.counted = whole(counted, 0, change.from .. " of sale " .. goods)
  whole(counted_to, 0, change.to .. " of sale " .. goods)
  if sale.stock then
    stock_left(kind, sale.stock)
    redis.call("HLEN", sale.buyers)
    sale.deaths = deaths_of(gone, gone_most, sale.gone)
  end
  sale.stopped = paused == "forgot" or clearing
  sale.fed, sale.moved, sale.units, sale.users, sale.ids = fed ~= "0", 0, {}, {}, {}
  sale.kind = kind
  return sale
end

-- Raises unless this line of an order can be taken out of what its sale counts.
local function change_check(change, order, line)
  local sale = change_sale(change, line.goods)
  local named = sale.kind == "list" and line.purchase or 0
  if #line.units ~= named then
    error({ err = "UNREADABLE order " .. order.id .. " names " .. #line.units .. " units of "
      .. sale.kind .. " sale " .. line.goods .. " and counts " .. line.purchase })
  end
  if sale.counted - sale.moved < line.purchase then
    error({ err = "UNREADABLE order " .. order.id .. " has " .. line.purchase .. " units and sale "
      .. line.goods .. " counts only " .. sale.counted - sale.moved .. " as " .. change.from })
  end
  if sale.deaths then
    deaths_look(sale.deaths, order.username)
  end
end

local function change_add(change, order)
  for _, line in ipairs(order.lines) do
    change_check(change, order, line)
  end
  local fed = false
  for _, line in ipairs(order.lines) do
    local sale = change.sales[line.goods]
    fed = fed or sale.fed
    sale.moved = sale.moved + line.purchase
    for _, unit in ipairs(line.units) do
      sale.units[#sale.units + 1] = unit
    end
    sale.users[#sale.users + 1], sale.ids[#sale.ids + 1] = order.username, order.id
    if sale.deaths then
      deaths_add(sale.deaths, order.username)
    end
  end
  change.orders[#change.orders + 1] = order
  change.fed[#change.orders] = fed
end

-- Frees the buyers of dead orders; a buyer whom the index knows with another order keeps that one.
local function buyers_free(buyers, users, ids)
  local freed = {}
  for n, owned in ipairs(redis.call("HMGET", buyers, unpack(users))) do
    if owned == ids[n] then
      freed[#freed + 1] = users[n]
    end
  end
  if #freed > 0 then
    redis.call("HDEL", buyers, unpack(freed))
  end
end

-- Writes the change, and returns the new record of each order. The feed comes first: only its first
-- entry can fail. `holds` is nil when the orders were not held.
local function change_write(change, orders, holds, feed)
  local ids, entries, records = {}, {}, {}
  for n, order in ipairs(change.orders) do
    if change.fed[n] then
      feed_add(feed, change.to, order.id, change.at)
    end
    ids[n], records[n] = order.id, order_record(order, change.to, change.at)
    entries[2 * n - 1], entries[2 * n] = ids[n], records[n]
  end
  if #ids == 0 then
    return records
  end
  redis.call("HSET", orders, unpack(entries))
  if holds then
    redis.call("ZREM", holds, unpack(ids))
  end
  for _, sale in pairs(change.sales) do
    if sale.kind and sale.moved > 0 then
      redis.call("HINCRBY", sale.key, change.from, -sale.moved)
      if not sale.stock then
        redis.call("HINCRBY", sale.key, change.to, sale.moved)
      elseif sale.kind == "list" then
        stock_return(sale.stock, sale.units)
      else
        redis.call("INCRBY", sale.stock, sale.moved)
      end
      if sale.stock then
        buyers_free(sale.buyers, sale.users, sale.ids)
        deaths_write(sale.deaths, sale.key, change.at)
      end
    end
  end
  return records
end
