-- The epoch is part of every value's key: a new one forgets all values at once.
-- KEYS[1] the epoch: '<identity of the servers>:<random>'
-- ARGV[1] identity of the servers; another one means that they were restarted, perhaps with old data
-- ARGV[2] a fresh random part
-- ARGV[3] '1' to begin a new epoch in any case, '0' only after a restart
-- returns the epoch
local epoch = redis.call('GET', KEYS[1])
if not epoch or ARGV[3] == '1' or string.sub(epoch, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then
  epoch = ARGV[1] .. ':' .. ARGV[2]
end
redis.call('SET', KEYS[1], epoch) -- in any case: a server that is full or read-only must not look well
return epoch
