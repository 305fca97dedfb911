-- archive_erase: replaces the names of persons in what stays of an archived event.
--
-- KEYS[1] archived [string] when the event was archived
-- KEYS[2] orders   [hash]   order id -> record
-- KEYS[3] accounts [hash]   username -> balance in cents
-- KEYS[4] paid_in  [hash]   username -> cents that operators put in
-- KEYS[5] changes  [string] how often the accounts changed
-- KEYS[6...] buyers [hash]  username -> order id: one for each sale of the event
-- ARGV[1...] goods [sale id], one for each sale, in the order of the keys; then for each person:
--   name, word [text] in its place, how many orders, and the ids of all orders of that person in
--   the event
--
-- Returns {erased, persons, kept}: persons whose names were replaced, and those who keep theirs: an
--   order of them is held, cannot be read or is somebody else's. Or {not_archived}: the event was
--   deleted meanwhile, and nothing changes
-- Writes all of a person or nothing: orders, buyers and account have the same name at every
--   instant.
-- Flags: allow-oom, because a full Redis must be archived, too; words are about as long as names.
-- Uses: lib/clock, lib/deadline, lib/number, lib/order

if came_late() then return "late" end

local archived, orders, accounts, paid_in, changes = unpack(KEYS, 1, 5)
local count = #KEYS - 5
if #KEYS < 6 or #ARGV < count + 3 then
  error({ err = "ERR archive_erase takes 5 keys and the buyers, the sales and the persons" })
end
if redis.call("EXISTS", archived) == 0 then
  return { "not_archived" }
end

-- Read. Every key is read with the type that it is written with.

local buyers = {}
for n = 1, count do
  redis.call("HLEN", KEYS[n + 5])
  buyers[ARGV[n]] = KEYS[n + 5]
end
redis.call("HLEN", orders)
redis.call("HLEN", accounts)
redis.call("HLEN", paid_in)
whole(redis.call("GET", changes), 0, changes)

-- The record of an order of this person, and the order; nothing if it is gone.
local function record_of(name, id)
  local record = redis.call("HGET", orders, id)
  if not record then
    return nil
  end
  local order = order_read(id, record)
  if order.username ~= name or order.state == "held" then
    error({ err = "ERR order " .. id .. " keeps its name" })
  end
  return record, order
end

-- Everything of a person after the change; raises if the name must stay.
local function person_read(name, ids)
  local person = { records = {}, entries = {} }
  for _, id in ipairs(ids) do
    local record, order = record_of(name, id)
    if record then
      person.records[id] = record
      for _, line in ipairs(order.lines) do
        local index = buyers[line.goods]
        if index and redis.call("HGET", index, name) == id then
          person.entries[index] = id
        end
      end
    end
  end
  return person
end

-- Write.

local function rename(name, word, person)
  for id, record in pairs(person.records) do
    local head, tail = string.match(record, "^(%l+\t%d+\t)[^%c]+(.*)$")
    redis.call("HSET", orders, id, head .. word .. tail)
  end
  for index, id in pairs(person.entries) do
    redis.call("HDEL", index, name)
    redis.call("HSET", index, word, id)
  end
  local moved = false
  for _, hash in ipairs({ accounts, paid_in }) do
    local cents = redis.call("HGET", hash, name)
    if cents then
      redis.call("HDEL", hash, name)
      redis.call("HSET", hash, word, cents)
      moved = true
    end
  end
  if moved then
    redis.call("INCR", changes)
  end
end

local at, erased, kept = count + 1, 0, 0
while at <= #ARGV do
  local name, word, number = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local ids = {}
  for n = 1, number or 0 do
    ids[n] = ARGV[at + 2 + n]
  end
  local read, person = pcall(person_read, name, ids)
  if read then
    rename(name, word, person)
    erased = erased + 1
  else
    kept = kept + 1
  end
  at = at + 3 + #ids
end
return { "erased", erased, kept }
