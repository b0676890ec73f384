-- Marks an upload as a file. Its segments are not needed any more. $1 upload, $2 the file's UUID
WITH upload AS (
  UPDATE uploads SET file_uuid = $2::uuid WHERE id = $1::uuid RETURNING id
)
DELETE FROM upload_segments segment USING upload WHERE segment.upload_id = upload.id RETURNING segment.storage_key
