-- Adds a reference to the blob with the same content, if there is one. If its bytes are damaged or encrypted with another
-- key, it takes the new bytes. $1 storage key, $2 encryption key id, $3 scope, $4 sha256
WITH before AS (
  SELECT id, storage_key, damaged_at IS NOT NULL AS is_damaged,
    damaged_at IS NOT NULL OR key_id IS DISTINCT FROM $2::varchar AS is_replaced
  FROM blobs WHERE scope = $3::bigint AND sha256 = $4::char(64) FOR UPDATE
)
UPDATE blobs SET
  reference_count = reference_count + 1,
  storage_key = CASE WHEN is_replaced THEN $1::uuid ELSE blobs.storage_key END,
  key_id = $2,
  damaged_at = NULL,
  thumbnails_refused = thumbnails_refused AND NOT is_damaged
FROM before WHERE blobs.id = before.id
RETURNING blobs.id, blobs.storage_key, before.storage_key AS previous
