-- New jobs, in the order given; those whose unique key is taken by an unfinished job of their type are left out.
-- now() is truncated: rounded to the column's milliseconds it might not be due for the claim that follows at once.
-- $1 ids, $2 uuids, $3 types, $4 queues, $5 payloads, $6 priorities, $7 run_at (null: now), $8 max_attempts, $9 unique_keys,
-- $10 owner_ids, $11 owner_uuids, $12 request_ids, $13 whether a broker is to be told
INSERT INTO jobs (id, uuid, type, queue, payload, priority, run_at, announce_at, max_attempts, unique_key, owner_id, owner_uuid, request_id)
SELECT id, uuid, type, queue, payload, priority, due,
       CASE WHEN $13 THEN due END,
       max_attempts, unique_key, owner_id, owner_uuid, request_id
FROM unnest($1::bigint[], $2::uuid[], $3::varchar[], $4::varchar[], $5::jsonb[], $6::smallint[], $7::timestamptz[], $8::integer[],
            $9::varchar[], $10::bigint[], $11::uuid[], $12::varchar[])
  AS new (id, uuid, type, queue, payload, priority, run_at, max_attempts, unique_key, owner_id, owner_uuid, request_id),
  greatest(run_at, date_trunc('milliseconds', now())) AS due -- nobody gets before the others by a time in the past
ON CONFLICT (type, unique_key) WHERE unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING', 'RETRYING') DO NOTHING
RETURNING id
