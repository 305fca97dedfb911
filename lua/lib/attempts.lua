-- attempts: a batch of attempts for one sale: who asks for how many units, and who gets them.

-- Usernames and quantities of the attempts in ARGV: a triple of username, purchase and order id for
-- each, after the first `at` arguments.
local function attempts_of(at, count)
  -- Few quantities repeat many times: each text is checked once.
  local args, users, wants, known = ARGV, {}, {}, {}
  for i = 1, count do
    local text = args[at + 2]
    local want = known[text]
    if not want then
      want = whole(text, 0, "purchase")
      if want == 0 then
        error({ err = "ERR sale_grab: purchase must be at least 1" })
      end
      known[text] = want
    end
    users[i], wants[i] = args[at + 1], want
    at = at + 3
  end
  return users, wants
end

-- Decides, in the order given. `grants` has the places of those that get units, `taken` in all;
-- `repeats` those of buyers who hold an order, `echoes` those of buyers who get one in this batch.
-- `answers` has a word for each of the others, and false for these.
local function attempts_decide(at, users, wants, sale, buyers, gone)
  local args, left, closed = ARGV, sale.left, sale.closed
  local purchase_max, gone_max = sale.purchase_max, sale.gone_max
  local owned = redis.call("HMGET", buyers, unpack(users))
  local gone_of = gone_max and redis.call("HMGET", gone, unpack(users))
  local answers, grants, ids, repeats, echoes, granted_to = {}, {}, {}, {}, {}, {}
  for i = 1, #users do
    local user, want = users[i], wants[i]
    if want > purchase_max then
      answers[i] = "invalid_purchase"
    elseif owned[i] then
      repeats[#repeats + 1] = i
      answers[i] = false
    elseif granted_to[user] then
      echoes[#echoes + 1] = i
      answers[i] = false
    elseif closed then
      answers[i] = closed
    elseif left == 0 then
      answers[i] = "sold_out"
    elseif left < want then
      answers[i] = "insufficient_stock"
    elseif gone_max and gone_number(gone_of[i], gone) >= gone_max then
      answers[i] = "too_many_orders"
    else
      left = left - want
      local n = #grants + 1
      grants[n], ids[n], granted_to[user] = i, args[at + 3 * i], n
      answers[i] = false
    end
  end
  return { users = users, wants = wants, answers = answers, grants = grants, ids = ids,
    repeats = repeats, echoes = echoes, granted_to = granted_to, owned = owned,
    taken = sale.left - left }
end

-- Answers those who hold an order with it. A broken one is the trouble of its buyer alone.
local function attempts_repeat(batch, orders)
  local repeats, owned, wanted = batch.repeats, batch.owned, {}
  if #repeats == 0 then
    return
  end
  for n, i in ipairs(repeats) do
    wanted[n] = owned[i]
  end
  local records = redis.call("HMGET", orders, unpack(wanted))
  for n, i in ipairs(repeats) do
    batch.answers[i] = order_shown(owned[i], records[n])
  end
end

-- Answers those who get units, and returns what is to be written of their orders: pairs of username
-- and id, of id and record, and of deadline and id. A record begins with `head`; a deadline is nil
-- when nothing is held, and units are nil when they have no names.
local function attempts_grant(batch, head, deadline, goods, units)
  local held_until = (deadline and "\t" .. deadline or "") .. "\n"
  local users, wants, ids, answers = batch.users, batch.wants, batch.ids, batch.answers
  local entries, records, deadlines, tails, next_unit = {}, {}, {}, {}, 1
  for n, i in ipairs(batch.grants) do
    local user, want, id = users[i], wants[i], ids[n]
    local named = ""
    if units then
      named = want == 1 and units[next_unit]
        or table.concat(units, "\t", next_unit, next_unit + want - 1)
      next_unit = next_unit + want
    end
    entries[2 * n - 1], entries[2 * n] = user, id
    local tail = tails[want]
    if not tail then
      tail = held_until .. order_line(goods, want, units)
      tails[want] = tail
    end
    records[2 * n - 1], records[2 * n] = id, head .. user .. tail .. named
    if deadline then
      deadlines[2 * n - 1], deadlines[2 * n] = deadline, id
    end
    answers[i] = "=" .. named
  end
  for _, i in ipairs(batch.echoes) do
    local n = batch.granted_to[users[i]]
    answers[i] = records[2 * n - 1] .. "\n" .. records[2 * n]
  end
  return entries, records, deadlines
end
