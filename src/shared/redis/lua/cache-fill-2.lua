-- Stores a loaded value if the claim is still ours, and releases the claim.
-- KEYS[1] the value
-- KEYS[2] the claim of the process that loads it
-- ARGV[1] our token
-- ARGV[2] the value
-- ARGV[3] lifetime of the value, milliseconds
-- returns 1 if it was stored, else 0
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
