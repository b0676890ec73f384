-- Returns blobs whose reference count differs from the number of their files.
SELECT blobs.id FROM blobs LEFT JOIN files ON files.blob_id = blobs.id
GROUP BY blobs.id HAVING count(files.id) <> blobs.reference_count
ORDER BY blobs.id LIMIT 10000
