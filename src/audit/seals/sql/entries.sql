-- Returns the text of entries, by position: every column, times in UTC with microseconds. A seal contains the hash of it, so a
-- change of this text would make all seals invalid.
-- $1: first position, $2: last position, $3: maximum number
SELECT position, jsonb_build_array(
  position, id, uuid, version, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
  to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), to_char(deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
  action, actor_uuid, subject_uuid, request_id, address, details
)::text AS text
FROM audit_log WHERE position >= $1::bigint AND position <= $2::bigint ORDER BY position, id LIMIT $3::integer
