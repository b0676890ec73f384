-- Returns the epoch, which is part of every value's key: a new epoch invalidates all values at once.
-- KEYS[1] the epoch: '<identity of the servers>:<random>'
-- ARGV[1] identity of the servers; it changes when they restart, perhaps with old data
-- ARGV[2] a new random part
-- ARGV[at], from 3 on: the epochs that may go on; '*' is any, and none begins a new epoch
-- returns the epoch
local epoch = redis.call('GET', KEYS[1])
local known = false
for at = 3, #ARGV do
  known = known or ARGV[at] == '*' or ARGV[at] == epoch
end
if not epoch or not known or string.sub(epoch, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then
  epoch = ARGV[1] .. ':' .. ARGV[2]
end
redis.call('SET', KEYS[1], epoch) -- always written, so that a full or read-only server causes an error
return epoch
