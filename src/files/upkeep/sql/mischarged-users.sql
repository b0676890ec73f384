-- Returns users whose usage differs from the sum of their files and running uploads.
WITH stored AS (
  SELECT owner_id, bucket, size AS bytes FROM files WHERE deleted_at IS NULL
  UNION ALL SELECT owner_id, bucket, reserved_bytes FROM storage_leases WHERE owner_id IS NOT NULL
), right_usage AS (
  SELECT owner_id, coalesce(bucket, '') AS bucket, sum(bytes) AS bytes, count(*) AS files FROM stored
  GROUP BY GROUPING SETS ((owner_id), (owner_id, bucket))
)
SELECT DISTINCT owner_id FROM storage_usages usage FULL JOIN right_usage USING (owner_id, bucket)
WHERE (coalesce(usage.bytes, 0), coalesce(usage.files, 0)) <> (coalesce(right_usage.bytes, 0), coalesce(right_usage.files, 0))
LIMIT 10000
