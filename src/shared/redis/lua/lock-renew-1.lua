-- Restarts the lease of a lock if it is still ours. An expired lease is not restored: another process may have had the lock.
-- KEYS[1] the lock
-- ARGV[1] our token
-- ARGV[2] duration of the lease, ms
-- returns 1 if it is ours, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
