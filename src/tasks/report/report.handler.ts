// `report.pdf`: reads the owner's tasks page by page, draws them in a thread and stores the document as a file.
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileIntake } from '../../files/file-intake.js';
import { Clock } from '../../shared/libs/clock.js';
import {
  Handles,
  type JobContext,
  type JobHandler,
  type JobResult,
  LongJob,
  UnrecoverableError,
} from '../../workers/job.js';
import { JobErrors } from '../../workers/jobs.errors.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { ThreadPools } from '../../workers/threads/thread-pools.js';
import { renderReport } from './render-report.js';
import { RenderTaskReport } from '../tasks.jobs.js';
import { TasksRepository } from '../tasks.repository.js';

/** The rest of the progress is for storing the file. */
const DRAWN_PERCENT = 95;

/**
 * A report of more is long. A title in many scripts takes 2 ms and 500 bytes, one in ASCII 0.4 ms: up to here, a report takes
 * about two seconds of CPU.
 */
const MAX_SHORT = { tasks: 5_000, titleBytes: 100_000 };

@Handles(RenderTaskReport)
export class ReportHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly intake: FileIntake,
    private readonly pools: ThreadPools,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const { owner, signal } = job;
    if (!owner) throw new UnrecoverableError(JobErrors.OWNERLESS());
    const isInShortQueue = job.queue === RenderTaskReport.queue;
    if (isInShortQueue && (await this.isLong(owner.key))) throw new LongJob();
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-report-'));
    try {
      const path = join(folder, 'report.pdf');
      const generatedAt = new Date(this.clock.now()).toISOString();
      const { pages, tasks } = await renderReport(this.pools, {
        ...{ path, generatedAt, signal },
        owner: (await this.tasks.findOwnerName(owner.key)) ?? '',
        pages: this.tasks.pagesForReport(owner.key),
        threads: isInShortQueue ? 'render' : 'longRender',
        onProgress: (percent) => job.progress((percent * DRAWN_PERCENT) / 100),
      });
      const name = `tasks-${generatedAt.slice(0, 10)}.pdf`;
      const options = { name, mimeType: 'application/pdf', maxBytes: Infinity, signal };
      return await this.intake.receive(owner, createReadStream(path), options, (add) =>
        job.finish(async () => ({ fileId: (await add()).uuid, pages, tasks })),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async isLong(ownerKey: string): Promise<boolean> {
    const { tasks, titleBytes } = await this.tasks.measureReport(ownerKey, MAX_SHORT.tasks + 1);
    return tasks > MAX_SHORT.tasks || titleBytes > MAX_SHORT.titleBytes;
  }
}
