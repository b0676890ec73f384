-- Locks the oldest matching dead letters, to replay them. Skips rows that another transaction has locked, and jobs whose
-- unique key is taken by an unfinished job or by an older dead letter of this selection.
-- $1 queue, $2 type, $3 reason (null: any), $4 maximum number
WITH dead AS (
  SELECT id, uuid, type, unique_key, finished_at FROM jobs AS one
  WHERE status = 'FAILED' AND deleted_at IS NULL
    AND ($1::varchar IS NULL OR queue = $1) AND ($2::varchar IS NULL OR type = $2) AND ($3::varchar IS NULL OR reason = $3)
    AND NOT EXISTS (
      SELECT FROM jobs AS other
      WHERE other.type = one.type AND other.unique_key = one.unique_key AND other.unique_key IS NOT NULL
        AND other.status IN ('QUEUED', 'RUNNING', 'RETRYING'))
  ORDER BY finished_at, id LIMIT $4 FOR UPDATE OF one SKIP LOCKED
), numbered AS (
  SELECT uuid, unique_key, count(*) OVER () AS found,
    row_number() OVER (PARTITION BY type, unique_key ORDER BY finished_at, id) AS place
  FROM dead
)
SELECT uuid, found::integer FROM numbered WHERE unique_key IS NULL OR place = 1
