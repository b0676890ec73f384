// Asks for the thumbnails of a file: when it is added, and when somebody wants to see one that is not there.
import { Injectable } from '@nestjs/common';
import { JobQueue } from '../../workers/job-queue.js';
import type { FileEntity } from '../file.entity.js';
import { MakeThumbnails } from '../files.jobs.js';
import { isImage, THUMBNAIL_SIZES } from './thumbnail-sizes.js';
import { ThumbnailsRepository } from './thumbnails.repository.js';

@Injectable()
export class ThumbnailRequests {
  constructor(
    private readonly thumbnails: ThumbnailsRepository,
    private readonly jobs: JobQueue,
  ) {}

  /**
   * In the caller's transaction where there is one. Nothing when it is no image, its content has them already, or the
   * owner has too many jobs waiting: then they are made for whoever asks to see them.
   */
  async ensure(file: FileEntity): Promise<void> {
    if (!isImage(file)) return;
    const made = await this.thumbnails.list(file.blobId as string);
    if (made.length === THUMBNAIL_SIZES.length) return;
    const owner = { id: file.ownerUuid, key: file.ownerId };
    if (await this.jobs.isFullFor(owner)) return;
    await this.jobs.enqueue(MakeThumbnails, { fileId: file.uuid }, { owner });
  }
}
