-- Marks bytes for removal after a time. $1 storage keys, $2 reason, $3 ms until the removal
INSERT INTO storage_leases (storage_key, reason, expires_at)
SELECT key, $2::varchar, now() + $3::bigint * interval '1 ms' FROM unnest($1::uuid[]) key
ON CONFLICT (storage_key) DO NOTHING
