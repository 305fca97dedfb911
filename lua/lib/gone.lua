-- gone: the dead orders of a sale, cancelled or expired, each counted when it dies: by buyer in a
-- hash, and in the fields `gone` of the sale, of all buyers, and `gone_most`, of the one who has
-- most. While `gone` is 0 or absent, the rest means nothing. They are counted since `gone_since`
-- [ms].

-- How many dead orders a buyer has who gets no more of the sale; nil when nobody has so many, or
-- the sale has no limit (0). So a sale pays for looking into the hash only once a buyer is to be
-- refused.
local function gone_limit(orders_max, gone_most)
  local limit = whole(orders_max, 20, "orders_max")
  if limit == 0 or whole(gone_most, 0, "gone_most") < limit then
    return nil
  end
  return limit
end

-- Dead orders that the hash at `key` counts for a buyer.
local function gone_number(counted, key)
  return whole(counted, 0, "a count in " .. key)
end
