// `users.import`: a thread reads and checks the file, batch by batch its rows are added, and a file tells which were not.
import type { Readable } from 'node:stream';
import { FileWriter } from '../../files/file-writer.js';
import { FileErrors } from '../../files/files.errors.js';
import { FilesService } from '../../files/files.service.js';
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

/** A file is read twice: in the first tenth of the progress it is checked. */
const CHECKED_PERCENT = 10;
/** The rest is for keeping the file. */
const ADDED_PERCENT = 95;

interface Counts {
  rows: number;
  added: number;
  /** Rows, each with one line or more in the file. */
  rejected: number;
}

/**
 * The batches are effects outside of `job.finish`, each committed by itself: one transaction for 100,000 rows would stand
 * open as long as the file takes. They may happen again, and at the same time: a row's UUID follows from the job and the
 * row's number, so that whoever comes second, another attempt or a worker that was taken for dead, adds nothing and
 * counts the row as added, as it is. What such a zombie can still do is a batch that its successor does as well. A
 * cancelled import keeps the batches that it has added, and its owner may run it again: names are unique, too.
 */
@Handles(ImportUsers)
export class ImportHandler implements JobHandler<ImportUsersPayload> {
  constructor(
    private readonly users: UsersBulkRepository,
    private readonly files: FilesService,
    private readonly writer: FileWriter,
    private readonly pools: ThreadPools,
  ) {}

  async run(payload: ImportUsersPayload, job: JobContext): Promise<JobResult> {
    const { owner, signal } = job;
    if (!owner) throw new UnrecoverableError(JobErrors.OWNERLESS());
    const rows = await this.check(owner, payload, signal); // whatever is refused as a whole adds nobody
    job.progress(CHECKED_PERCENT);
    const rejections = new RejectionsFile(this.writer, owner, signal);
    try {
      const counts = await this.addRows(payload, owner, job, rejections, rows);
      if (counts.added > 0) await this.users.noteGrowth();
      const blob = await rejections.close();
      if (!blob) return { ...counts, fileId: null };
      return await this.writer.keepWith(owner, blob, (add) =>
        job.finish(async () => ({ ...counts, fileId: (await add()).uuid })),
      );
    } finally {
      await rejections.drop();
    }
  }

  /** How many rows there are. Throws what makes the whole file unusable. */
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
    rejections: RejectionsFile,
    rows: number,
  ): Promise<Counts> {
    const counts: Counts = { rows, added: 0, rejected: 0 };
    const addBatch = async (batch: ImportBatch): Promise<void> => {
      job.signal.throwIfAborted();
      await rejections.add(await this.addBatch(batch, counts));
      job.progress(CHECKED_PERCENT + ((ADDED_PERCENT - CHECKED_PERCENT) * batch.done) / rows);
    };
    await this.reading(owner, fileId, (next) =>
      runAsking<void, RowsQuestion, Uint8Array | null>(this.pools, {
        file: threadFile(import.meta.url, './import-rows.thread'),
        task: { jobId: job.id, encoding },
        signal: job.signal,
        answer: async (question) => (question === 'next' ? next() : (await addBatch(question), null)),
      }),
    );
    return counts;
  }

  /** Gives all rejections of the batch, by row. */
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

  /** Opens the file while `work` asks for its pieces; null comes after the last. */
  private async reading<T>(
    owner: Owner,
    fileId: string,
    work: (next: () => Promise<Uint8Array | null>) => Promise<T>,
  ): Promise<T> {
    const stream = await this.open(owner, fileId);
    const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    try {
      return await work(async () => {
        const piece = await pieces.next();
        return piece.done ? null : Uint8Array.from(piece.value); // a Buffer would bring all memory that it is a part of
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
