-- Deletes a key if it still contains our token; another process may have taken it meanwhile.
-- KEYS[1] the key
-- ARGV[1] our token
-- returns 1 if it was ours, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
