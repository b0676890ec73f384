-- Deletes finished and discarded jobs of a stretch of the primary key: keys grow with time, so the old ones are at its
-- beginning, and no row is looked at twice. Creation only bounds the stretch; what decides is when a job came to its end.
-- Dead letters stay, however old, until somebody replays or discards them.
-- $1 beyond this key, $2 below this key, $3 days, $4 how many rows to look at
WITH stretch AS (
  SELECT id FROM jobs WHERE id > $1 AND id < $2 ORDER BY id LIMIT $4
), gone AS (
  DELETE FROM jobs USING stretch
  WHERE jobs.id = stretch.id AND (
    (status IN ('SUCCEEDED', 'CANCELLED') AND finished_at < now() - $3::integer * interval '1 day')
    OR deleted_at < now() - $3::integer * interval '1 day')
  RETURNING jobs.id
)
SELECT max(id) AS last, (SELECT count(*) FROM gone)::integer AS deleted FROM stretch
