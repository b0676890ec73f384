-- Completes attempts, stores their results and records `job.done` for their owners. Attempts that are not current any more
-- match no row.
-- $1 ids, $2 attempts, $3 results
WITH ended AS (
  UPDATE jobs SET status = 'SUCCEEDED', progress = 100, result = done.result, finished_at = now(), lease_until = NULL,
    version = version + 1, updated_at = now()
  FROM unnest($1::bigint[], $2::integer[], $3::jsonb[]) AS done (id, attempt, result)
  WHERE jobs.id = done.id AND jobs.attempt = done.attempt AND status = 'RUNNING'
  RETURNING jobs.id, jobs.attempt, uuid, type, status, owner_id, owner_uuid, request_id
), recorded AS (
  INSERT INTO new_events (name, is_published, is_audited, owner_id, subject_id, actor_id, request_id, data)
  SELECT 'job.done', true, false, owner_id, uuid, owner_uuid, request_id,
    json_build_object('jobId', uuid, 'type', type, 'status', status)
  FROM ended WHERE owner_id IS NOT NULL
)
SELECT id, attempt FROM ended
