-- Takes from all tiers of a caller, or from none: from two, or from four with those of its /48 network. A window has 60 slots;
-- the sum of the current slot and the 60 before it must not exceed the quota, so no interval of the length of a window ever
-- exceeds it.
-- KEYS[at] a tier's hash of slot → amount taken in it; unused slots are absent
-- ARGV[at * 3 - 2] ARGV[at * 3 - 1] the tier's quota and window (milliseconds)
-- ARGV[at * 3] the amount to take from it, 1 to the quota
-- returns the time (milliseconds), then for each tier: allowed (1 or 0), the remaining amount, and the milliseconds until
--   some of it returns (when refused: until the amount is there), 0 when nothing is used
local SLOTS = 60
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The clock may step back a little, so slots in the near future count. Slots more than a window away are deleted.
local function read(key, quota, window, price)
  local slot = math.floor(now * SLOTS / window)
  local first, last, sum, oldest = slot - SLOTS, slot + SLOTS, 0, math.huge
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    local used = fields[at] + 0 -- converts to a number; `tonumber` is slower
    if used < first or used > last then
      redis.call('HDEL', key, fields[at])
    else
      sum = sum + fields[at + 1]
      if used < oldest then
        oldest = used
      end
    end
  end
  return {
    key = key, quota = quota, window = window, slot = slot, fields = fields,
    sum = sum, oldest = oldest, price = price, lacking = sum + price - quota,
  }
end

-- Returns the slot at whose end the lacking amount has returned.
local function lastOf(tier)
  local count = {}
  for at = 1, #tier.fields, 2 do
    count[tonumber(tier.fields[at])] = tier.fields[at + 1]
  end
  local back = 0
  for slot = tier.oldest, tier.slot + SLOTS do
    back = back + (count[slot] or 0)
    if back >= tier.lacking then
      return slot
    end
  end
end

-- Returns the milliseconds until the amount taken in a slot returns.
local function wait(tier, slot)
  return math.ceil((slot + SLOTS + 1) * tier.window / SLOTS) - now
end

local tiers, allowed = {}, true
for at, key in ipairs(KEYS) do
  local tier = read(key, tonumber(ARGV[at * 3 - 2]), tonumber(ARGV[at * 3 - 1]), tonumber(ARGV[at * 3]))
  tiers[at], allowed = tier, allowed and tier.lacking <= 0
end

local answer = { now }
for _, tier in ipairs(tiers) do
  local isEnough = tier.lacking <= 0
  if allowed then
    redis.call('HINCRBY', tier.key, tier.slot, tier.price)
    redis.call('PEXPIRE', tier.key, tier.window + math.ceil(tier.window / SLOTS))
    tier.sum = tier.sum + tier.price
    tier.oldest = math.min(tier.oldest, tier.slot)
  end
  answer[#answer + 1] = isEnough and 1 or 0
  answer[#answer + 1] = math.max(0, tier.quota - tier.sum)
  answer[#answer + 1] = tier.sum == 0 and 0 or wait(tier, isEnough and tier.oldest or lastOf(tier))
end
return answer
