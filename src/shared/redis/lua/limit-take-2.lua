-- Takes `cost` from a caller's two tiers, or nothing from either. A window is 60 slots long; what was taken in the
-- current slot and the 60 before it must not exceed the quota, so no interval of a window's length ever sees more.
-- KEYS[1] KEYS[2] a tier's hash of slot → what was taken in it; only used slots exist
-- ARGV[1] ARGV[2] quota and window (milliseconds) of the first tier
-- ARGV[3] ARGV[4] the same of the second
-- ARGV[5] the cost, from 1; above a quota it counts as all of it
-- returns the time (milliseconds), then for each tier: allowed (1 or 0), what remains, and the milliseconds until more
--   comes back, for a refusal until this cost can pass, 0 when nothing is used
local SLOTS = 60
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cost = tonumber(ARGV[5])

-- A clock may step back a little: slots ahead of it count. Those a whole window away are of no time that was.
local function read(key, quota, window)
  local slot = math.floor(now * SLOTS / window)
  local first, last, sum, oldest = slot - SLOTS, slot + SLOTS, 0, math.huge
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    local used = fields[at] + 0 -- a number; `tonumber` costs more
    if used < first or used > last then
      redis.call('HDEL', key, fields[at])
    else
      sum = sum + fields[at + 1]
      if used < oldest then
        oldest = used
      end
    end
  end
  local price = math.min(cost, quota)
  return {
    key = key, quota = quota, window = window, slot = slot, fields = fields,
    sum = sum, oldest = oldest, price = price, lacking = sum + price - quota,
  }
end

-- The slot with whose end `lacking` has come back.
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

-- Milliseconds until what was taken in a slot has come back.
local function wait(tier, slot)
  return math.ceil((slot + SLOTS + 1) * tier.window / SLOTS) - now
end

local tiers = {
  read(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])),
  read(KEYS[2], tonumber(ARGV[3]), tonumber(ARGV[4])),
}
local allowed = tiers[1].lacking <= 0 and tiers[2].lacking <= 0

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
