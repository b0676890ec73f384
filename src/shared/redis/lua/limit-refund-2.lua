-- Refunds what `limit-take` took, in the slots where it was taken. Slots that have left the window need no refund.
-- KEYS[1] KEYS[2] a tier's hash of slot → amount taken in it
-- ARGV[1] ARGV[2] quota and window (milliseconds) of the first tier
-- ARGV[3] ARGV[4] the same of the second
-- ARGV[5] the cost that was taken
-- ARGV[6] the time when it was taken (milliseconds), as `limit-take` returned it
-- returns nothing
local SLOTS = 60
for at, key in ipairs(KEYS) do
  local quota, window = tonumber(ARGV[at * 2 - 1]), tonumber(ARGV[at * 2])
  local slot = math.floor(ARGV[6] * SLOTS / window)
  local taken = tonumber(redis.call('HGET', key, slot))
  if taken then
    local left = redis.call('HINCRBY', key, slot, -math.min(tonumber(ARGV[5]), quota, taken))
    if left == 0 then
      redis.call('HDEL', key, slot)
    end
  end
end
