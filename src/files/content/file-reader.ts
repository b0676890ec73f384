// Opens the content of files for their readers.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Owner } from '../../common/access/permissions.js';
import { BlobStore } from '../../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../../storage/blobs/blobs.repository.js';
import type { FileEntity } from '../file.entity.js';
import { FileErrors } from '../files.errors.js';
import { FilesRepository } from '../files.repository.js';
import type { Content } from './content.service.js';

@Injectable()
export class FileReader {
  constructor(
    private readonly files: FilesRepository,
    private readonly blobs: BlobsRepository,
    private readonly bytes: BlobStore,
  ) {}

  /**
   * Opens the bytes of an own file. The caller reads the stream to its end or destroys it. Throws NOT_FOUND, also for a file of
   * another user, and DAMAGED.
   */
  async open(owner: Owner, uuid: string): Promise<{ file: FileEntity; stream: Readable }> {
    const file = await this.files.getOwned(owner, uuid);
    return { file, stream: await this.bytes.open(await this.blobOf(file)) };
  }

  /** Returns the content of a file of the reader, or of any file in a public bucket. Throws NOT_FOUND, DAMAGED. */
  async content(reader: Owner | undefined, uuid: string): Promise<Content> {
    const file = await this.files.getReadable(reader, uuid);
    const { name, mimeType, charset, sha256, isPublic } = file;
    const whenLost = (isNeeded: boolean) => (isNeeded ? FileErrors.DAMAGED(uuid) : FileErrors.NOT_FOUND(uuid));
    return { id: uuid, name, mimeType, charset, sha256, isPublic, blob: await this.blobOf(file), whenLost };
  }

  private async blobOf({ uuid, blobId }: FileEntity): Promise<KnownBlob> {
    const blob = blobId === null ? null : await this.blobs.find(blobId);
    if (!blob) throw FileErrors.NOT_FOUND(uuid); // deleted since it was read
    if (blob.isDamaged) throw FileErrors.DAMAGED(uuid);
    return blob;
  }
}
