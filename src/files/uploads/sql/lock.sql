-- Takes the lock on an upload, unless another holder has renewed it in time. $1 upload, $2 holder, $3 lease ms
INSERT INTO upload_locks AS held (upload_id, holder, expires_at)
VALUES ($1::uuid, $2::uuid, now() + $3::integer * interval '1 ms')
ON CONFLICT (upload_id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE held.expires_at <= now()
RETURNING 1
