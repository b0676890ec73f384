-- Called before a commit: from here on, no process uses or stores values with this tag.
-- KEYS[1] the stamp
-- KEYS[2] the running changes of the tag (sorted set: id, time after which the change counts as dead)
-- ARGV[1] id of the change
-- ARGV[2] maximum duration of the change, milliseconds
-- returns 1
local time = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2] * 2)
return 1
