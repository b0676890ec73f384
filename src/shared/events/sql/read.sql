-- Returns the head of an owner's log and the events behind a number, both from one snapshot; without events, one row of nulls.
-- $1: owner, $2: number, $3: maximum events
SELECT event_epoch() AS epoch, coalesce((SELECT sequence FROM event_heads WHERE owner_id = $1::bigint), 0) AS head,
  event.sequence, event.at, event.name, event.subject_id AS "subjectId", event.actor_id AS "actorId", event.data
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
  SELECT * FROM event_log WHERE owner_id = $1::bigint AND sequence > $2::bigint ORDER BY sequence LIMIT $3::integer
) AS event ON true
ORDER BY event.sequence
