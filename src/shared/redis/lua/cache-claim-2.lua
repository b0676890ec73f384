-- Claims the load of a missing value, so that only one process in the whole deployment loads it.
-- KEYS[1] the value
-- KEYS[2] the claim of the process that loads it
-- ARGV[1] our token
-- ARGV[2] duration of the claim, milliseconds
-- ARGV[3] prefix of the outdated value, or empty
-- returns 'mine' (loads it), 'theirs' (another process does), or 'there' when a newer value exists
local value = redis.call('GET', KEYS[1])
if value and value ~= '' and (ARGV[3] == '' or string.sub(value, 1, #ARGV[3]) ~= ARGV[3]) then
  return 'there'
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 'mine'
end
return 'theirs'
