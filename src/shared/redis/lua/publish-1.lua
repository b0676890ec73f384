-- Publishes from the node that owns the channel's slot, where all subscribers are: so that all hear one order,
-- in a cluster too.
-- KEYS[1] the channel
-- ARGV[1] the message
-- returns how many connections got it
return redis.call('PUBLISH', KEYS[1], ARGV[1])
