// The storage that the settings ask for.
import { join } from 'node:path';
import type { AppConfig } from '../shared/config/app-config.js';
import type { FileStorage } from './file-storage.js';
import { LocalStorage } from './drivers/local.storage.js';

/** The SDK of S3 is loaded only where it is used: it takes 0.1 s of a start, and 20 MiB. */
export async function storageFor({ dataDir, files }: AppConfig): Promise<FileStorage> {
  if (!files.s3) return new LocalStorage(join(dataDir, 'files'));
  const { S3Storage } = await import('./drivers/s3.storage.js');
  return new S3Storage(files.s3, files.maxBytes);
}
