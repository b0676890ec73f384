// When the row of a file is deleted whose bytes are purged, and with it the links to the file.

/**
 * Days for which such a row stays. The file cannot be restored any more, since FILE_RETENTION has passed: the row only
 * shows that to administrators.
 */
export const PURGED_FILE_DAYS = 1;

/** SQL: true for a row of `files` with this alias that may be deleted. The last change of a deleted file is its purge. */
export const isPurgedFor = (alias: string): string =>
  `${alias}.deleted_at IS NOT NULL AND ${alias}.blob_id IS NULL AND ${alias}.updated_at < now() - interval '${PURGED_FILE_DAYS} days'`;
