-- Returns for each queue whether it has due jobs (usual), and due jobs that must run alone (suspect).
-- $1 queues
-- Costs one index probe per queue and priority, whatever waits: with ORDER BY and LIMIT, PostgreSQL takes the index in the
-- generic plan of a large table, too, where it would read the table for EXISTS.
SELECT queue,
  EXISTS (
    SELECT FROM generate_series(1, 5) AS urgency CROSS JOIN LATERAL (
      SELECT id FROM jobs
      WHERE jobs.queue = q.queue AND priority = urgency AND status IN ('QUEUED', 'RETRYING') AND turn <= 'infinity' AND crashes < 2
      ORDER BY turn, id LIMIT 1
    ) AS first
  ) AS usual,
  EXISTS (
    SELECT FROM (
      SELECT id FROM jobs
      WHERE jobs.queue = q.queue AND status IN ('QUEUED', 'RETRYING') AND turn <= 'infinity' AND crashes >= 2
      ORDER BY turn LIMIT 1
    ) AS first
  ) AS suspect
FROM unnest($1::varchar[]) AS q (queue)
