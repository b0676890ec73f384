// `users.import`: validates the file in a thread, adds its rows batch by batch and writes the rejected ones to a file.
import type { Readable } from 'node:stream';
import { FileReader } from '../../files/content/file-reader.js';
import { FileIntake } from '../../files/file-intake.js';
import { FileErrors } from '../../files/files.errors.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import { JobErrors } from '../../workers/jobs.errors.js';
import { ThreadPools, threadFile } from '../../workers/threads/thread-pools.js';
import { UsersBulkRepository } from '../users-bulk.repository.js';
import { ImportUsers, type ImportUsersPayload } from '../users.jobs.js';
import type { ImportCheck } from './import-check.thread.js';
import type { ImportBatch, RowsQuestion } from './import-rows.thread.js';
import type { Rejection } from './import-row.js';
import { RejectionsFile } from './rejections-file.js';
import { runAsking } from '../../workers/threads/thread-questions.js';
import type { Owner } from '../../common/access/permissions.js';

/** The file is read twice; the first reading, which validates it, is the first tenth of the progress. */
const CHECKED_PERCENT = 10;
/** The rest of the progress is for storing the file. */
const ADDED_PERCENT = 95;
/** The file of rejected rows: a few lines for each of at most 100,000 rows. */
const REJECTED = { name: 'rejected-users.csv', mimeType: 'text/csv', maxBytes: Infinity };

interface Counts {
  rows: number;
  added: number;
  /** Number of rejected rows, each with one line or more in the file. */
  rejected: number;
}

/**
 * Each batch is committed on its own, outside of `job.finish`, because one transaction for 100,000 rows would stay open as
 * long as the import takes. Batches may run again, even at the same time: the UUID of a row depends only on the job and
 * the row's number. So a second attempt, or a worker that was wrongly considered dead, adds nothing and counts the row as
 * added, which it is. Such a worker can at most add a batch that its successor adds, too. A cancelled import keeps its
 * added batches, and its owner may run it again, since names are unique, too.
 */
@Handles(ImportUsers)
export class ImportHandler implements JobHandler<ImportUsersPayload> {
  constructor(
    private readonly users: UsersBulkRepository,
    private readonly files: FileReader,
    private readonly intake: FileIntake,
    private readonly pools: ThreadPools,
  ) {}

  async run(payload: ImportUsersPayload, job: JobContext): Promise<JobResult> {
    const { owner, signal } = job;
    if (!owner) throw new UnrecoverableError(JobErrors.OWNERLESS());
    const rows = await this.check(owner, payload, signal); // an unusable file adds no users
    job.progress(CHECKED_PERCENT);
    const counts: Counts = { rows, added: 0, rejected: 0 };
    const rejections = new RejectionsFile((lines) =>
      this.intake.receive(owner, lines, { ...REJECTED, signal }, (add) =>
        job.finish(async () => ({ ...counts, fileId: (await add()).uuid })),
      ),
    );
    try {
      await this.addRows(payload, owner, job, rejections, counts);
      if (counts.added > 0) await this.users.noteGrowth();
      return (await rejections.close()) ?? { ...counts, fileId: null };
    } finally {
      await rejections.drop();
    }
  }

  /** Returns the number of rows. Throws when the file is unusable. */
  private async check(owner: Owner, { fileId, encoding }: ImportUsersPayload, signal: AbortSignal): Promise<number> {
    const checked = await this.reading(owner, fileId, (next) =>
      runAsking<ImportCheck, 'next', Uint8Array | null>(this.pools, {
        file: threadFile(import.meta.url, './import-check.thread'),
        task: { encoding },
        signal,
        answer: next,
      }),
    );
    if ('rows' in checked) return checked.rows;
    const { code, status, level, message } = checked.refusal;
    throw new UnrecoverableError(new AppError(code, status, level, message));
  }

  private async addRows(
    { fileId, encoding }: ImportUsersPayload,
    owner: Owner,
    job: JobContext,
    rejections: RejectionsFile<JobResult>,
    counts: Counts,
  ): Promise<void> {
    const addBatch = async (batch: ImportBatch): Promise<void> => {
      job.signal.throwIfAborted();
      await rejections.add(await this.addBatch(batch, counts));
      job.progress(CHECKED_PERCENT + ((ADDED_PERCENT - CHECKED_PERCENT) * batch.done) / counts.rows);
    };
    await this.reading(owner, fileId, (next) =>
      runAsking<void, RowsQuestion, Uint8Array | null>(this.pools, {
        file: threadFile(import.meta.url, './import-rows.thread'),
        task: { jobId: job.id, encoding },
        signal: job.signal,
        answer: async (question) => (question === 'next' ? next() : (await addBatch(question), null)),
      }),
    );
  }

  /** Returns all rejections of the batch, sorted by row. */
  private async addBatch({ users, rows, rejections }: ImportBatch, counts: Counts): Promise<Rejection[]> {
    const taken = await this.users.addAll(users);
    const late = users.flatMap(({ uuid }, index): Rejection[] => {
      const reason = taken.get(uuid);
      const column = reason === 'EMAIL_TAKEN' ? 'email' : 'username';
      return reason ? [{ row: rows[index] ?? 0, column, reason }] : [];
    });
    counts.added += users.length - late.length;
    const all = [...rejections, ...late].sort((one, other) => one.row - other.row);
    counts.rejected += new Set(all.map(({ row }) => row)).size;
    return all;
  }

  /** Opens the file while `work` reads its chunks; null comes after the last one. */
  private async reading<T>(
    owner: Owner,
    fileId: string,
    work: (next: () => Promise<Uint8Array | null>) => Promise<T>,
  ): Promise<T> {
    const stream = await this.open(owner, fileId);
    const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    try {
      return await work(async () => {
        const chunk = await chunks.next();
        return chunk.done ? null : Uint8Array.from(chunk.value); // copied: a Buffer would transfer its whole memory pool
      });
    } finally {
      stream.destroy();
    }
  }

  private async open(owner: Owner, fileId: string): Promise<Readable> {
    try {
      return (await this.files.open(owner, fileId)).stream;
    } catch (error) {
      const isGone = error instanceof AppError && error.code === FileErrors.NOT_FOUND.code;
      throw isGone ? new UnrecoverableError(error) : error;
    }
  }
}
