// Returns thumbnails, and enqueues the job that makes missing ones.
import { Injectable } from '@nestjs/common';
import type { Content } from '../content/content.service.js';
import { FileErrors } from '../files.errors.js';
import { FilesRepository } from '../files.repository.js';
import { ThumbnailRequests } from './thumbnail-requests.js';
import { isImage, type ThumbnailSize } from './thumbnail-sizes.js';
import { ThumbnailsRepository } from './thumbnails.repository.js';
import type { Owner } from '../../common/access/permissions.js';

/** Seconds until a client asks again: for a job that is enqueued, and when the owner has too many jobs for one more. */
const SOON_S = 1;
const LATER_S = 60;

@Injectable()
export class ThumbnailsService {
  constructor(
    private readonly files: FilesRepository,
    private readonly thumbnails: ThumbnailsRepository,
    private readonly requests: ThumbnailRequests,
  ) {}

  /** Returns the thumbnail for a reader who may download the file. Throws NOT_FOUND, NO_THUMBNAIL, THUMBNAIL_PENDING. */
  async content(reader: Owner | undefined, uuid: string, size: ThumbnailSize): Promise<Content> {
    const file = await this.files.getReadable(reader, uuid);
    const blobId = file.blobId as string; // only deleted files have no blob
    const blob = (await this.thumbnails.list(blobId)).find(({ side }) => side === size);
    const pending = (seconds = SOON_S) => FileErrors.THUMBNAIL_PENDING(uuid).withHeader('Retry-After', String(seconds));
    if (blob) {
      const name = `${file.name}.${size}.webp`;
      return {
        id: uuid,
        name,
        mimeType: 'image/webp',
        charset: null,
        sha256: blob.sha256,
        isPublic: file.isPublic,
        blob,
        whenLost: () => pending(),
      };
    }
    if (!isImage(file) || (await this.thumbnails.isRefused(blobId))) throw FileErrors.NO_THUMBNAIL(uuid);
    throw pending((await this.requests.ensure(file)) ? SOON_S : LATER_S);
  }
}
