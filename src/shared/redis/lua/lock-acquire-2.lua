-- Takes a lock that is free, or asks for it: the first to ask is the next to have it, so that a process which releases and
-- comes again at once does not overtake those that wait. Asked twice with the same token it takes the lock once: whoever got
-- no answer, or a client that sent the command again by itself, finds out so.
-- KEYS[1] the lock
-- KEYS[2] who is next
-- ARGV[1] our token
-- ARGV[2] the lease, ms
-- ARGV[3] how long we stay next without asking again, ms
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
