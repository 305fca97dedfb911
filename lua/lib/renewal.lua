-- renewal: which history a sale gets that begins anew.

-- The largest number that is known of a sale: that of its history, if it has one, the one that
-- callers knew (its field `known`), and the one under which it was deleted before.
local function history_last(history, known, deleted)
  return math.max(history and history_number(history) or 0, whole(known, 0, "known"),
    whole(deleted, 0, "deleted"))
end

-- The history with this random word that follows all that is known of a sale.
local function history_after(history, known, deleted, word)
  return digits(history_last(history, known, deleted) + 1) .. "-" .. word
end
