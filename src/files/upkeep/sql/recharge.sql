-- Sets the usage of one user to the sum of its files and running uploads. $1 user
WITH stored AS (
  SELECT bucket, size AS bytes FROM files WHERE owner_id = $1::bigint AND deleted_at IS NULL
  UNION ALL SELECT bucket, reserved_bytes FROM storage_leases WHERE owner_id = $1
), right_usage AS (
  SELECT coalesce(bucket, '') AS bucket, sum(bytes) AS bytes, count(*) AS files FROM stored
  GROUP BY GROUPING SETS ((), (bucket))
), added AS (
  INSERT INTO storage_usages AS usage (owner_id, bucket, bytes, files)
  SELECT $1, bucket, coalesce(bytes, 0), files FROM right_usage
  ON CONFLICT (owner_id, bucket) DO UPDATE SET bytes = excluded.bytes, files = excluded.files
)
UPDATE storage_usages SET bytes = 0, files = 0
WHERE owner_id = $1 AND bucket NOT IN (SELECT bucket FROM right_usage)
