-- Inserts jobs in the given order. Skips jobs whose unique key is taken by an unfinished job of the same type.
-- now() is truncated: rounded up to the column's milliseconds, a new job might not be due for the claim that follows.
-- A due job gets its turn: now, or one hour after the last waiting turn of the same owner in this line, whichever is
-- later. So the owners of a line take turns: if another owner queued 100 jobs less than 3 hours ago, a new owner's job waits
-- for at most the first 3. A delayed job gets its turn when it becomes due, in line-up.sql.
-- $1 ids, $2 uuids, $3 types, $4 queues, $5 payloads, $6 priorities, $7 run_at (null: now), $8 max_attempts, $9 unique_keys,
-- $10 owner_ids, $11 owner_uuids, $12 request_ids, $13 true: announce to the broker
INSERT INTO jobs (id, uuid, type, queue, payload, priority, run_at, turn, announce_at, max_attempts, unique_key, owner_id, owner_uuid, request_id)
SELECT new.id, uuid, type, new.queue, payload, new.priority, due,
       CASE WHEN due > now() THEN NULL WHEN new.owner_id IS NULL THEN due
         ELSE greatest(due, last.turn + interval '1 hour') + interval '1 hour' *
           (row_number() OVER (PARTITION BY new.owner_id, new.queue, new.priority, due > now() ORDER BY place) - 1) END,
       CASE WHEN $13 THEN due END,
       max_attempts, unique_key, new.owner_id, owner_uuid, request_id
FROM unnest($1::bigint[], $2::uuid[], $3::varchar[], $4::varchar[], $5::jsonb[], $6::smallint[], $7::timestamptz[], $8::integer[],
            $9::varchar[], $10::bigint[], $11::uuid[], $12::varchar[]) WITH ORDINALITY
  AS new (id, uuid, type, queue, payload, priority, run_at, max_attempts, unique_key, owner_id, owner_uuid, request_id, place)
CROSS JOIN LATERAL greatest(run_at, date_trunc('milliseconds', now())) AS due -- a time in the past gives no advantage
LEFT JOIN LATERAL (
  SELECT max(turn) AS turn FROM jobs
  WHERE owner_id = new.owner_id AND queue = new.queue AND priority = new.priority AND status IN ('QUEUED', 'RETRYING')
) AS last ON new.owner_id IS NOT NULL
ORDER BY place
ON CONFLICT (type, unique_key) WHERE unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING', 'RETRYING') DO NOTHING
RETURNING id
