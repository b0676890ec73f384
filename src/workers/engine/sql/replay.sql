-- Dead letters wait again, with all their attempts before them. `attempt` counts on: it is the fence, and must not come
-- twice. Of two who replay the same one, the second waits for the first and finds it not dead any more.
-- $1 uuids, $2 types, $3 how often each of these types is tried (others: as often as they were allowed to), $4 whether a
-- broker is to be told
UPDATE jobs SET
  status = 'QUEUED', run_at = date_trunc('milliseconds', now()), turn = NULL, announce_at = CASE WHEN $4::boolean THEN date_trunc('milliseconds', now()) END,
  max_attempts = attempt + coalesce((
    SELECT known.attempts FROM unnest($2::varchar[], $3::integer[]) AS known (type, attempts) WHERE known.type = jobs.type
  ), max_attempts),
  crashes = 0, progress = 0, reason = NULL, finished_at = NULL, version = version + 1, updated_at = now()
WHERE uuid = ANY ($1::uuid[]) AND status = 'FAILED' AND deleted_at IS NULL
RETURNING uuid, queue
