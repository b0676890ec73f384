-- Written bytes become a blob, or one more reference to the blob with the same content. A blob whose bytes were damaged, or
-- are encrypted with another key, gets these. $1 blob id, $2 storage key, $3 encryption key id, $4 scope, $5 sha256, $6 size
WITH before AS (
  SELECT storage_key FROM blobs WHERE scope = $4::bigint AND sha256 = $5::char(64) FOR UPDATE
)
INSERT INTO blobs AS known (id, storage_key, key_id, scope, sha256, size, reference_count)
SELECT $1::bigint, $2::uuid, $3::varchar, $4, $5, $6::bigint, 1
FROM (SELECT count(*) FROM before) AS first -- read before it is changed
ON CONFLICT (scope, sha256) DO UPDATE SET
  reference_count = known.reference_count + 1,
  storage_key = CASE WHEN known.damaged_at IS NULL AND known.key_id IS NOT DISTINCT FROM excluded.key_id
    THEN known.storage_key ELSE excluded.storage_key END,
  key_id = excluded.key_id,
  damaged_at = NULL
RETURNING id, storage_key, (SELECT storage_key FROM before) AS previous
