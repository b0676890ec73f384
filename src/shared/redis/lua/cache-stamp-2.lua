-- Returns the stamp of a tag: a value is valid as long as the stamps stored with it are the current ones.
-- KEYS[1] the stamp
-- KEYS[2] the running changes of the tag (sorted set: id, time after which the change counts as dead)
-- ARGV[1] a new stamp, in case there is none
-- ARGV[2] lifetime of a stamp, milliseconds
-- returns the stamp, or nil while the tag is being changed
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local stamp = redis.call('GET', KEYS[1])
if not stamp then
  stamp = ARGV[1]
  redis.call('SET', KEYS[1], stamp, 'PX', ARGV[2])
end
return stamp
