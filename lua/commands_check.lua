-- commands_check: which of these commands the user of this connection may not run on this key.
--
-- KEYS[1] key     [any]             a key of the product; it need not exist
-- ARGV[1...] one command each: its words, separated by spaces, with all arguments that it needs;
--   the word KEY stands for the key
--
-- Returns the commands that Redis would refuse, as they were given: the access rules forbid them,
--   or the server does not know them.
-- Writes nothing.
-- Flags: no-writes, so it runs in every state of Redis, on replicas too.
-- Uses: nothing

local key = KEYS[1]
if #KEYS ~= 1 or #ARGV < 1 then
  error({ err = "ERR commands_check takes a key and commands" })
end

local refused = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, "%S+") do
    words[#words + 1] = word == "KEY" and key or word
  end
  if #words == 0 then -- Redis 7.0 crashes if it is asked about an empty command
    error({ err = "ERR commands_check takes commands, not an empty text" })
  end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and allowed) then
    refused[#refused + 1] = command
  end
end
return refused
