-- Moves recorded events to the log, where each owner's events are numbered without holes, and to the audit log. One process at
-- a time. A transaction that commits later gets later numbers, so a number is never filled in behind a reader. Rows are taken
-- by id: whoever sees the later of two dependent changes sees the earlier one, which has the smaller id.
-- Each owner keeps the latest $3 events.
-- $1: maximum events at once, $2: time zero of snowflakes, ms since 1970, $3: maximum events of an owner
WITH turn AS MATERIALIZED (
  SELECT pg_try_advisory_xact_lock(hashtextextended('events:number', 0)) AS is_mine
), taken AS (
  DELETE FROM new_events
  WHERE id = ANY (ARRAY(SELECT id FROM new_events WHERE (SELECT is_mine FROM turn) ORDER BY id LIMIT $1::integer))
  RETURNING *
), published AS (
  SELECT *, row_number() OVER (PARTITION BY owner_id ORDER BY id) AS place
  FROM taken WHERE is_published AND owner_id IS NOT NULL
), heads AS (
  INSERT INTO event_heads AS head (owner_id, sequence)
  SELECT owner_id, count(*) FROM published GROUP BY owner_id ORDER BY owner_id
  ON CONFLICT (owner_id) DO UPDATE SET sequence = head.sequence + excluded.sequence
  RETURNING owner_id, sequence
), logged AS (
  INSERT INTO event_log (owner_id, sequence, at, name, subject_id, actor_id, request_id, data)
  SELECT owner_id, heads.sequence - count(*) OVER (PARTITION BY owner_id) + place, at, name, subject_id, actor_id, request_id, data
  FROM published JOIN heads USING (owner_id)
), audited AS (
  SELECT *, row_number() OVER (ORDER BY id) AS place FROM taken WHERE is_audited
), audit_head AS (
  UPDATE audit_positions SET position = position + (SELECT count(*) FROM audited)
  WHERE EXISTS (SELECT FROM audited) RETURNING position - (SELECT count(*) FROM audited) AS before
), audit AS (
  INSERT INTO audit_log (id, uuid, created_at, updated_at, position, action, subject_uuid, actor_uuid, request_id, address, details)
  SELECT (((extract(epoch FROM at) * 1000)::bigint - $2::bigint) << 22) + (id & 4194303), gen_random_uuid(), at, at,
    before + place, name, subject_id, actor_id, request_id, address, audit_details(data::jsonb)
  FROM audited, audit_head
)
SELECT (SELECT is_mine FROM turn) AS "isMine", (SELECT count(*) FROM taken)::integer AS taken,
  (SELECT array_agg(owner_id::text) FROM heads) AS owners,
  (SELECT sum(trim_events(owner_id, sequence - $3::integer)) FROM heads WHERE sequence > $3::integer) AS trimmed
