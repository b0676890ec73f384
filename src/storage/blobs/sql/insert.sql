-- Inserts a blob for written bytes; no row when a blob with the same content exists. $1 blob id, $2 storage key,
-- $3 encryption key id, $4 scope, $5 sha256, $6 size
INSERT INTO blobs (id, storage_key, key_id, scope, sha256, size, reference_count)
VALUES ($1::bigint, $2::uuid, $3::varchar, $4::bigint, $5::char(64), $6::bigint, 1)
ON CONFLICT (scope, sha256) DO NOTHING
RETURNING id
