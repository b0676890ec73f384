-- Renews leases, and returns those that still exist. A lease that ends later keeps its end. $1 storage keys, $2 lease ms
UPDATE storage_leases SET expires_at = greatest(expires_at, now() + $2::integer * interval '1 ms')
WHERE storage_key = ANY ($1::uuid[]) AND reason = 'WRITE'
RETURNING storage_key
