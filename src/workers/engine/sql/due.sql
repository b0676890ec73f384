-- Returns for each queue whether it has due jobs that claim.sql may take (usual), and due jobs that claim-suspect.sql takes
-- (suspect). A suspect that has waited ten minutes counts as both.
-- $1 queues
-- Costs one index probe per queue and priority, however many jobs wait. With EXISTS alone, the generic plan reads the whole
-- table; ORDER BY … LIMIT makes it use the index.
SELECT queue,
  EXISTS (
    SELECT FROM generate_series(1, 5) AS urgency CROSS JOIN LATERAL (
      SELECT id FROM jobs
      WHERE jobs.queue = q.queue AND priority = urgency AND status IN ('QUEUED', 'RETRYING') AND turn <= 'infinity'
        AND (crashes < 2 OR run_at < now() - interval '10 min')
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
