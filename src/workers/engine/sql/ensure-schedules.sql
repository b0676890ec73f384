-- Synchronizes the table with the definitions. New and changed schedules get a new next run. Unchanged ones keep theirs,
-- even in the past: that run was missed and is still due. Schedules without a definition are deleted.
-- $1 names, $2 crons, $3 time zones, $4 next run of each
WITH deleted AS (
  DELETE FROM schedules WHERE name <> ALL ($1::varchar[])
)
INSERT INTO schedules AS known (name, cron, time_zone, next_run_at)
SELECT * FROM unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::timestamptz[])
ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, time_zone = excluded.time_zone, next_run_at = excluded.next_run_at
WHERE (known.cron, known.time_zone) <> (excluded.cron, excluded.time_zone)
