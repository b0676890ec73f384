-- Called after a commit or rollback: values loaded from here on may be stored, unless another change of the tag is running.
-- KEYS[1] the stamp
-- KEYS[2] the running changes of the tag (sorted set: id, time after which the change counts as dead)
-- ARGV[1] id of the change
-- returns 1
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
