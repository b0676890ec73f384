-- Adds the thumbnails that a blob does not have yet; none when the blob is gone. Returns the storage keys of the added
-- ones. $1 blob, $2 sizes, $3 storage keys, $4 encryption key ids, $5 sha256, $6 bytes, $7 widths, $8 heights
WITH blob AS (
  SELECT id FROM blobs WHERE id = $1::bigint FOR SHARE
)
INSERT INTO thumbnails (blob_id, size, storage_key, key_id, sha256, bytes, width, height)
SELECT blob.id, new.*
FROM blob, unnest($2::integer[], $3::uuid[], $4::varchar[], $5::char(64)[], $6::bigint[], $7::integer[], $8::integer[]) AS new
ON CONFLICT (blob_id, size) DO NOTHING
RETURNING storage_key
