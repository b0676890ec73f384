-- Returns the owners whose log does not end at the cursor that a reader has.
-- $1: owners, $2: their cursors
SELECT known.owner_id AS "ownerId"
FROM (SELECT event_epoch() AS name) AS epoch,
  unnest($1::bigint[], $2::text[]) AS known (owner_id, cursor)
  LEFT JOIN event_heads AS head ON head.owner_id = known.owner_id
WHERE known.cursor <> epoch.name || '.' || coalesce(head.sequence, 0)
