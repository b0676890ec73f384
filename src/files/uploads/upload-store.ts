// Uploads as tus asks for them, for the one request whose caller it knows.
import type { Readable } from 'node:stream';
import { DataStore, type Locker, Upload as TusUpload } from '@tus/server';
import type { Upload } from './uploads.repository.js';
import type { UploadsService } from './uploads.service.js';
import type { Owner } from '../../common/access/permissions.js';

export const UPLOAD_EXTENSIONS = ['creation', 'creation-with-upload', 'termination', 'expiration'];

/** Expiry is ours to check and to tell: `getExpiration` stays 0, as which tus takes none for its own. */
export class UploadStore extends DataStore {
  override extensions = UPLOAD_EXTENSIONS;
  /** As the request has left it, as far as it came. */
  current: Upload | undefined;
  private writing: Promise<unknown> = Promise.resolve();

  /** `metadata`: Upload-Metadata of the request. */
  constructor(
    private readonly uploads: UploadsService,
    private readonly owner: Owner,
    private readonly metadata: string,
  ) {
    super();
  }

  override async create(upload: TusUpload): Promise<TusUpload> {
    this.current = await this.uploads.create(this.owner, upload.id, upload.size ?? 0, this.metadata);
    return upload;
  }

  override async getUpload(id: string): Promise<TusUpload> {
    const { size, received } = (this.current = await this.uploads.get(this.owner, id));
    return new TusUpload({ id, size, offset: received });
  }

  override async write(source: Readable, id: string, offset: number): Promise<number> {
    const writing = (this.writing = this.uploads.append(this.owner, id, offset, source));
    this.current = await writing;
    return this.current.received;
  }

  override remove(id: string): Promise<void> {
    return this.uploads.terminate(this.owner, id);
  }

  /** Locks that are given back once what has come is written: tus would do so as soon as a body breaks off. */
  lockedBy(locker: Locker): Locker {
    return {
      newLock: (id) => {
        const lock = locker.newLock(id);
        const unlock = (): Promise<void> => lock.unlock();
        return { lock: (...asked) => lock.lock(...asked), unlock: () => this.writing.then(unlock, unlock) };
      },
    };
  }
}
