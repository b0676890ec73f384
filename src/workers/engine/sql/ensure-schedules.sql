-- Makes the table say what the definitions say: new schedules come with the time they are due next, changed ones get a new
-- one, others keep theirs, past ones too: those were missed. What is not defined any more goes.
-- $1 names, $2 crons, $3 time zones, $4 when each is due next
WITH gone AS (
  DELETE FROM schedules WHERE name <> ALL ($1::varchar[])
)
INSERT INTO schedules AS known (name, cron, time_zone, next_run_at)
SELECT * FROM unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::timestamptz[])
ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, time_zone = excluded.time_zone, next_run_at = excluded.next_run_at
WHERE (known.cron, known.time_zone) <> (excluded.cron, excluded.time_zone)
