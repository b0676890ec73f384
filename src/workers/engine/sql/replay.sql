-- Enqueues dead letters again, with all their attempts. `attempt` is not reset: it is the fence and must not repeat. When
-- two requests replay the same dead letter, the second waits for the first and matches no row.
-- $1 uuids, $2 types, $3 attempts of each type (types not listed keep their max_attempts), $4 true: announce to the broker
UPDATE jobs SET
  status = 'QUEUED', run_at = date_trunc('milliseconds', now()), turn = NULL, announce_at = CASE WHEN $4::boolean THEN date_trunc('milliseconds', now()) END,
  max_attempts = attempt + coalesce((
    SELECT known.attempts FROM unnest($2::varchar[], $3::integer[]) AS known (type, attempts) WHERE known.type = jobs.type
  ), max_attempts),
  crashes = 0, progress = 0, reason = NULL, finished_at = NULL, version = version + 1, updated_at = now()
WHERE uuid = ANY ($1::uuid[]) AND status = 'FAILED' AND deleted_at IS NULL
RETURNING uuid, queue
