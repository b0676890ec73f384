-- Removes an upload. Its reserved space expires at once, so that any process may free it. $1 upload
WITH upload AS (
  DELETE FROM uploads WHERE id = $1::uuid RETURNING storage_key
), segment AS (
  DELETE FROM upload_segments WHERE upload_id = $1 RETURNING storage_key
), reservation AS (
  UPDATE storage_leases lease SET expires_at = now() FROM upload WHERE lease.storage_key = upload.storage_key
)
SELECT storage_key, false AS is_segment FROM upload UNION ALL SELECT storage_key, true FROM segment
