-- Returns those storage keys that are in no row. $1 storage keys
SELECT key FROM unnest($1::uuid[]) key
WHERE NOT EXISTS (SELECT FROM blobs WHERE storage_key = key)
  AND NOT EXISTS (SELECT FROM thumbnails WHERE storage_key = key)
  AND NOT EXISTS (SELECT FROM upload_segments WHERE storage_key = key)
  AND NOT EXISTS (SELECT FROM storage_leases WHERE storage_key = key)
