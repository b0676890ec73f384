-- After a commit or rollback: what is loaded from here on may be kept, unless another change of the tag is under way.
-- KEYS[1] the stamp
-- KEYS[2] the changes of the tag that are under way (sorted set: id, by when it counts as dead)
-- ARGV[1] id of the change
-- returns 1
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
