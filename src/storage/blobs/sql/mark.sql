-- Bytes are to be removed once a time is over. $1 storage keys, $2 reason, $3 after so many ms
INSERT INTO storage_leases (storage_key, reason, expires_at)
SELECT key, $2::varchar, now() + $3::bigint * interval '1 ms' FROM unnest($1::uuid[]) key
ON CONFLICT (storage_key) DO NOTHING
