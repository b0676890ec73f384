-- Refunds what `limit-take` took, in the slots where it was taken. Slots that have left the window need no refund.
-- KEYS[at] a tier's hash of slot → amount taken in it
-- ARGV[1] the time when it was taken (milliseconds), as `limit-take` returned it
-- ARGV[at * 2] ARGV[at * 2 + 1] the tier's window (milliseconds), and the amount that was taken from it
-- returns nothing
local SLOTS = 60
for at, key in ipairs(KEYS) do
  local slot = math.floor(ARGV[1] * SLOTS / ARGV[at * 2])
  local taken = tonumber(redis.call('HGET', key, slot))
  if taken then
    local left = redis.call('HINCRBY', key, slot, -math.min(tonumber(ARGV[at * 2 + 1]), taken))
    if left == 0 then
      redis.call('HDEL', key, slot)
    end
  end
end
