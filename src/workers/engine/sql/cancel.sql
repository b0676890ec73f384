-- Cancels an unfinished job. Later writes of its running attempt match no row.
-- $1 uuid, $2 owner's id (null: any owner), $3 versions (null: any version), $4 true: the version must be one of $3; false:
-- it must be none of them, $5 actor
WITH ended AS (
  UPDATE jobs SET status = 'CANCELLED', finished_at = now(), lease_until = NULL, version = version + 1, updated_at = now()
  WHERE uuid = $1 AND ($2::bigint IS NULL OR owner_id = $2) AND status IN ('QUEUED', 'RETRYING', 'RUNNING')
    AND ($3::integer[] IS NULL OR (version = ANY ($3)) = $4::boolean)
  RETURNING id, queue, uuid, type, status, owner_id, owner_uuid, request_id
), recorded AS (
  INSERT INTO new_events (name, is_published, is_audited, owner_id, subject_id, actor_id, request_id, data)
  SELECT 'job.done', true, false, owner_id, uuid, $5::uuid, request_id,
    json_build_object('jobId', uuid, 'type', type, 'status', status)
  FROM ended WHERE owner_id IS NOT NULL
)
SELECT id, queue FROM ended
