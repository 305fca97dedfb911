-- claim: what is remembered of a message: "?" and a claim, or "=" and the reply.

-- What is at `key`: {reply}; or {owner, ends [ms], note} of a claim, where a claim that was given
-- up has no owner, and a note that nobody left is empty; or nothing.
local function remembered(key)
  local found = redis.call("GET", key)
  if not found then
    return nil
  end
  if string.sub(found, 1, 1) == "=" then
    return { reply = string.sub(found, 2) }
  end
  local owner, ends, note = string.match(found, "^%?([^\t]*)\t(%d+)\t(.*)$")
  if not owner then
    error({ err = "ERR " .. key .. " is neither a claim nor a reply" })
  end
  return { owner = owner, ends = tonumber(ends), note = note }
end

-- A claim as it is kept.
local function claim_text(owner, ends, note)
  return "?" .. owner .. "\t" .. digits(ends) .. "\t" .. note
end
