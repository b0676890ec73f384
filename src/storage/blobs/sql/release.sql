-- Deletes a lease whose bytes are removed, and frees its reserved space. $1 storage key
WITH lease AS (
  DELETE FROM storage_leases WHERE storage_key = $1::uuid RETURNING owner_id, bucket, reserved_bytes
)
UPDATE storage_usages usage SET bytes = usage.bytes - lease.reserved_bytes, files = usage.files - 1
FROM lease, LATERAL ( -- always locked in this order, to avoid a deadlock
  SELECT owner_id, bucket FROM storage_usages
  WHERE owner_id = lease.owner_id AND bucket IN ('', lease.bucket) ORDER BY bucket FOR UPDATE
) locked
WHERE usage.owner_id = locked.owner_id AND usage.bucket = locked.bucket
