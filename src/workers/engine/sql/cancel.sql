-- Ends a job that is not finished; a running attempt finds no row from here on.
-- $1 uuid, $2 owner's id (null: anybody's), $3 versions (null: any will do), $4 whether it must have one of them, or none
UPDATE jobs SET status = 'CANCELLED', finished_at = now(), lease_until = NULL, version = version + 1, updated_at = now()
WHERE uuid = $1 AND ($2::bigint IS NULL OR owner_id = $2) AND status IN ('QUEUED', 'RETRYING', 'RUNNING')
  AND ($3::integer[] IS NULL OR (version = ANY ($3)) = $4::boolean)
RETURNING id, queue
