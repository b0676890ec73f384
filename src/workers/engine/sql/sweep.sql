-- Deletes finished and discarded jobs in a range of the primary key. Keys grow with time, so old jobs are at the beginning
-- of the range, and no row is read twice. The range bounds the creation time; the time of the end decides the deletion.
-- Dead letters stay, however old, until an administrator replays or discards them.
-- $1 above this key, $2 below this key, $3 days, $4 maximum number of rows to read
WITH stretch AS (
  SELECT id FROM jobs WHERE id > $1 AND id < $2 ORDER BY id LIMIT $4
), deleted_jobs AS (
  DELETE FROM jobs USING stretch
  WHERE jobs.id = stretch.id AND (
    (status IN ('SUCCEEDED', 'CANCELLED') AND finished_at < now() - $3::integer * interval '1 day')
    OR deleted_at < now() - $3::integer * interval '1 day')
  RETURNING jobs.id
)
SELECT max(id) AS last, (SELECT count(*) FROM deleted_jobs)::integer AS deleted FROM stretch
