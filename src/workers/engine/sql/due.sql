-- Returns for each queue whether it has due jobs (usual), and due jobs that must run alone (suspect).
-- $1 queues
SELECT queue,
  EXISTS (SELECT FROM jobs j WHERE j.queue = q.queue AND priority IN (1, 2, 3, 4, 5) AND status IN ('QUEUED', 'RETRYING')
    AND turn IS NOT NULL AND crashes < 2) AS usual,
  EXISTS (SELECT FROM jobs j WHERE j.queue = q.queue AND priority IN (1, 2, 3, 4, 5) AND status IN ('QUEUED', 'RETRYING')
    AND turn IS NOT NULL AND crashes >= 2) AS suspect
FROM unnest($1::varchar[]) AS q (queue)
