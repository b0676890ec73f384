-- Publishes from the node that owns the channel's slot, where all subscribers are connected, so that all receive the
-- messages in the same order, in a cluster, too.
-- KEYS[1] the channel
-- ARGV[1] the message
-- returns the number of connections that received it
return redis.call('PUBLISH', KEYS[1], ARGV[1])
