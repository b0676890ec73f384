-- Returns the epoch, which is part of every value's key: a new epoch invalidates all values at once.
-- KEYS[1] the epoch: '<identity of the servers>:<random>'
-- ARGV[1] identity of the servers; it changes when they restart, perhaps with old data
-- ARGV[2] a new random part
-- ARGV[3] '1' to begin a new epoch always, '0' only after a restart
-- returns the epoch
local epoch = redis.call('GET', KEYS[1])
if not epoch or ARGV[3] == '1' or string.sub(epoch, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then
  epoch = ARGV[1] .. ':' .. ARGV[2]
end
redis.call('SET', KEYS[1], epoch) -- always written, so that a full or read-only server causes an error
return epoch
