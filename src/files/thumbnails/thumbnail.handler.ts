// `file.thumbnail`: reads an image of the owner, decodes it in a restricted process and stores the thumbnails.
import { AppError } from '../../shared/libs/app-error.js';
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import { JobErrors } from '../../workers/jobs.errors.js';
import { FileReader } from '../content/file-reader.js';
import type { FileEntity } from '../file.entity.js';
import { FileErrors } from '../files.errors.js';
import { type FilePayload, MakeThumbnails } from '../files.jobs.js';
import { FilesRepository } from '../files.repository.js';
import { ImageDecoder } from './image-decoder.js';
import { isImage, THUMBNAIL_SIZES } from './thumbnail-sizes.js';
import { ThumbnailStore } from './thumbnail-store.js';
import { type Thumbnail, ThumbnailsRepository } from './thumbnails.repository.js';
import type { Picture } from './webp.js';
import type { Owner } from '../../common/access/permissions.js';

/** Refusals that depend on the image alone, so a retry cannot help. */
const REFUSALS = new Set([FileErrors.IMAGE_TOO_LARGE.code, FileErrors.IMAGE_UNREADABLE.code]);
const FINAL = new Set([...REFUSALS, FileErrors.NOT_FOUND.code, FileErrors.DAMAGED.code]);

@Handles(MakeThumbnails)
export class ThumbnailHandler implements JobHandler<FilePayload> {
  constructor(
    private readonly files: FilesRepository,
    private readonly reader: FileReader,
    private readonly thumbnails: ThumbnailsRepository,
    private readonly decoder: ImageDecoder,
    private readonly store: ThumbnailStore,
  ) {}

  async run({ fileId }: FilePayload, job: JobContext): Promise<JobResult> {
    const { owner } = job;
    if (!owner) throw new UnrecoverableError(JobErrors.OWNERLESS());
    try {
      return await this.make(owner, await this.files.getOwned(owner, fileId), job);
    } catch (error) {
      throw error instanceof AppError && FINAL.has(error.code) ? new UnrecoverableError(error) : error;
    }
  }

  private async make(owner: Owner, file: FileEntity, job: JobContext): Promise<JobResult> {
    const blobId = file.blobId as string; // only deleted files have no blob
    const known = await this.thumbnails.list(blobId);
    if (known.length === THUMBNAIL_SIZES.length) return { thumbnails: known.map(toResult) };
    const pictures = await this.decode(owner, file, job.signal);
    return this.store.keepWith(blobId, pictures, job.signal, (add) =>
      job.finish(async () => {
        await add();
        return { thumbnails: (await this.thumbnails.list(blobId)).map(toResult) };
      }),
    );
  }

  /** Stores the refusal with the blob, so that it applies to every file with the same bytes. */
  private async decode(owner: Owner, file: FileEntity, signal: AbortSignal): Promise<Picture[]> {
    try {
      if (!isImage(file)) throw FileErrors.IMAGE_UNREADABLE();
      const { stream } = await this.reader.open(owner, file.uuid);
      return await this.decoder.draw(stream, file.size, signal);
    } catch (error) {
      if (error instanceof AppError && REFUSALS.has(error.code)) await this.thumbnails.refuse(file.blobId as string);
      throw error;
    }
  }
}

function toResult({ side, width, height }: Thumbnail): Record<string, number> {
  return { size: side, width, height };
}
