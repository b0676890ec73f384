-- Who loads a missing value: one in the whole deployment.
-- KEYS[1] the value
-- KEYS[2] the lease of whoever loads it
-- ARGV[1] our token
-- ARGV[2] how long the lease lasts, milliseconds
-- ARGV[3] head of the value that is not good any more, or empty
-- returns 'mine', 'theirs', or 'there' when another value has come meanwhile
local value = redis.call('GET', KEYS[1])
if value and value ~= '' and (ARGV[3] == '' or string.sub(value, 1, #ARGV[3]) ~= ARGV[3]) then
  return 'there'
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 'mine'
end
return 'theirs'
