// Enqueues the job that makes thumbnails: when a file is added, and when a client asks for a missing one.
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
   * Enqueues the job, in the caller's transaction if there is one. Does nothing when the file is no image, or its content has
   * all thumbnails. Returns false when the owner has too many jobs; then a later request for a thumbnail enqueues the job.
   */
  async ensure(file: FileEntity): Promise<boolean> {
    if (!isImage(file)) return true;
    const made = await this.thumbnails.list(file.blobId as string);
    if (made.length === THUMBNAIL_SIZES.length) return true;
    const owner = { id: file.ownerUuid, key: file.ownerId };
    if (await this.jobs.isFullFor(owner)) return false;
    await this.jobs.enqueue(MakeThumbnails, { fileId: file.uuid }, { owner });
    return true;
  }
}
