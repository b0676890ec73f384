-- Before a commit: from here on nothing of this tag is used or kept.
-- KEYS[1] the stamp
-- KEYS[2] the changes of the tag that are under way (sorted set: id, by when it counts as dead)
-- ARGV[1] id of the change
-- ARGV[2] how long it may take at most, milliseconds
-- returns 1
local time = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2] * 2)
return 1
