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
import { ReportsRepository } from './reports.repository.js';

/** The rest of the progress is for storing the file. */
const DRAWN_PERCENT = 95;

/**
 * A report of more is long (docs/benchmarks.md). A task with an ASCII title takes about 0.5 ms of CPU. A letter outside of ASCII,
 * which has 1 to 3 extra bytes, may take as much again: for a font and an outline that no other letter uses.
 */
const MAX_SHORT = { tasks: 5_000, titleBytes: 100_000, tasksAndExtraBytes: 8_000 };

/**
 * Where a report is drawn, and with how many font files: to open one takes about 15 ms. Twenty titles need 1 in English, 2 in
 * Russian, 11 in Chinese and 22 in Japanese.
 */
const SHORT = { threads: 'render', maxFontFiles: 40 } as const;
const LONG = { threads: 'longRender', maxFontFiles: Infinity } as const;

@Handles(RenderTaskReport)
export class ReportHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly reports: ReportsRepository,
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
      const rendered = await renderReport(this.pools, {
        ...{ path, generatedAt, signal },
        owner: (await this.reports.findOwnerName(owner.key)) ?? '',
        pages: this.reports.pages(owner.key),
        ...(isInShortQueue ? SHORT : LONG),
        onProgress: (percent) => job.progress((percent * DRAWN_PERCENT) / 100),
      });
      if (rendered === 'TOO_MANY_FONTS') throw new LongJob();
      const { pages, tasks } = rendered;
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
    const { tasks, titleBytes, extraBytes } = await this.reports.measure(ownerKey, MAX_SHORT.tasks + 1);
    if (tasks > MAX_SHORT.tasks || titleBytes > MAX_SHORT.titleBytes) return true;
    return tasks + extraBytes > MAX_SHORT.tasksAndExtraBytes;
  }
}
