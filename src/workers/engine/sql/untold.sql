-- The broker did not take the news of these jobs: it is told again.
-- $1 ids
UPDATE jobs SET announce_at = run_at WHERE id = ANY ($1::bigint[]) AND status IN ('QUEUED', 'RETRYING')
