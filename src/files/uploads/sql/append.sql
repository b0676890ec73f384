-- Appends received bytes to their upload, if it still ends at $6. Replaces a segment that the new bytes include.
-- $1 upload, $2 start, $3 size, $4 storage key, $5 encryption key id, $6 bytes received before
WITH upload AS (
  UPDATE uploads SET received = $2::bigint + $3::bigint
  WHERE id = $1::uuid AND received = $6::bigint AND file_uuid IS NULL
  RETURNING id
)
INSERT INTO upload_segments (upload_id, start, size, storage_key, key_id)
SELECT id, $2, $3, $4::uuid, $5::varchar FROM upload
ON CONFLICT (upload_id, start) DO UPDATE SET
  size = excluded.size, storage_key = excluded.storage_key, key_id = excluded.key_id
RETURNING start
