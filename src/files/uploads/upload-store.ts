// Data store of tus for one request and its caller.
import type { Readable } from 'node:stream';
import { DataStore, type Locker, Upload as TusUpload } from '@tus/server';
import type { Upload } from './uploads.repository.js';
import type { UploadsService } from './uploads.service.js';
import type { Owner } from '../../common/access/permissions.js';

export const UPLOAD_EXTENSIONS = ['creation', 'creation-with-upload', 'termination', 'expiration'];

/** This application checks and reports the expiry: `getExpiration` stays 0, so that tus does not do it, too. */
export class UploadStore extends DataStore {
  override extensions = UPLOAD_EXTENSIONS;
  /** State of the upload after the request, as far as it came. */
  current: Upload | undefined;
  private writing: Promise<unknown> = Promise.resolve();

  /** `metadata`: the header Upload-Metadata of the request. */
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

  /** Returns locks that are released only after the received bytes are written; tus releases them when a body is interrupted. */
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
