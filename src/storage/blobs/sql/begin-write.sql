-- Reserves space before bytes are written: charges the expected bytes if they fit, and returns the space that is left.
-- A negative result: they did not fit, and nothing was changed. No row: the bucket does not exist. The shared lock keeps
-- the bucket until the charge is committed. $1 storage key, $2 owner, $3 bucket, $4 expected bytes, $5 lease ms,
-- $6 bytes and $7 files that a user may have, $8 bytes in this bucket or null, $9 true: a crash of PostgreSQL may lose it
WITH target AS (
  SELECT FROM buckets WHERE name = $3::varchar AND deleted_at IS NULL FOR SHARE
), quota (bucket, bytes, files) AS (
  VALUES ('', $6::bigint, $7::bigint), ($3, $8::bigint, NULL)
), used AS (
  SELECT bucket, bytes, files FROM storage_usages
  WHERE owner_id = $2::bigint AND bucket IN ('', $3) ORDER BY bucket FOR UPDATE
), remaining AS (
  SELECT min(quota.bytes - coalesce(used.bytes, 0) - $4::bigint) AS bytes, min(quota.files - coalesce(used.files, 0) - 1) AS files
  FROM target, quota LEFT JOIN used USING (bucket) HAVING count(*) > 0
), charged AS (
  INSERT INTO storage_usages AS usage (owner_id, bucket, bytes, files)
  SELECT $2, quota.bucket, $4, 1 FROM quota, remaining WHERE remaining.bytes >= 0 AND remaining.files >= 0 ORDER BY quota.bucket
  ON CONFLICT (owner_id, bucket) DO UPDATE SET bytes = usage.bytes + excluded.bytes, files = usage.files + 1
), lease AS (
  INSERT INTO storage_leases (storage_key, reason, owner_id, bucket, reserved_bytes, expires_at)
  SELECT $1::uuid, 'WRITE', $2, $3, $4, now() + $5::bigint * interval '1 ms' FROM remaining WHERE bytes >= 0 AND files >= 0
)
SELECT bytes, files, CASE WHEN $9::boolean THEN set_config('synchronous_commit', 'off', true) END FROM remaining
