-- Deletes thumbnails whose bytes are lost, damaged or encrypted with an old key, and marks the bytes for removal. Returns
-- the storage keys. $1 storage keys
WITH deleted AS (
  DELETE FROM thumbnails WHERE storage_key = ANY ($1::uuid[]) RETURNING storage_key
)
INSERT INTO storage_leases (storage_key, reason, expires_at)
SELECT storage_key, 'DELETE', now() FROM deleted
ON CONFLICT (storage_key) DO NOTHING
RETURNING storage_key
