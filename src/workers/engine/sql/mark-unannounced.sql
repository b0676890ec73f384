-- Marks jobs as not announced, because the broker did not accept their messages.
-- $1 ids
UPDATE jobs SET announce_at = run_at WHERE id = ANY ($1::bigint[]) AND status IN ('QUEUED', 'RETRYING')
