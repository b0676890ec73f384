-- Returns seals, by position.
-- $1: last position before them, $2: maximum number
SELECT first, last, leaves, root, previous, sealed_at AS "sealedAt", signature
FROM audit_seals WHERE first > $1::bigint ORDER BY first LIMIT $2::integer
