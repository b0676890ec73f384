-- Claims one due suspect, to run it alone. A suspect (crashes >= 2) is a job whose worker died twice, or once during its last
-- attempt. If the suspect is the cause, it kills its worker again; otherwise it completes. No limit of running jobs per owner
-- applies here.
-- $1 queues, $2 worker, $3 lease in ms
WITH due AS (
  SELECT id FROM jobs
  WHERE queue = ANY ($1) AND status IN ('QUEUED', 'RETRYING') AND crashes >= 2 AND turn IS NOT NULL
  ORDER BY turn LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET status = 'RUNNING', attempt = attempt + 1, worker = $2, alone = true, progress = 0,
  lease_until = now() + $3::integer * interval '1 ms', version = version + 1, updated_at = now()
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.type, jobs.queue, jobs.payload, jobs.attempt, jobs.owner_id, jobs.owner_uuid, jobs.request_id
