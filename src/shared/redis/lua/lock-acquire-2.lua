-- Takes a free lock, or registers for it: the first process that registers gets the lock next, so that a process that
-- releases and retries at once does not overtake waiting ones. A repeated call with the same token takes the lock once; so
-- a caller without an answer, or a client that resends the command, gets the right result.
-- KEYS[1] the lock
-- KEYS[2] the token of the next holder
-- ARGV[1] our token
-- ARGV[2] the lease, ms
-- ARGV[3] how long the registration stays without a new call, ms
-- returns 1 if the lock is ours, else 0
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
local next = redis.call('GET', KEYS[2])
if next and next ~= ARGV[1] then
  return 0
end
if holder then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[2])
return 1
