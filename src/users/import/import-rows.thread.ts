// Thread that reads and validates the rows of an import, and passes them on in batches.
import type { CsvEncoding } from '../../shared/libs/csv/csv-decoder.js';
import { ImportFile } from './import-file.js';
import { checkRow, type ImportedUser, type Rejection } from './import-row.js';
import { type Asking, askThrough } from '../../workers/threads/thread-questions.js';

/** Records per batch: adding one batch takes PostgreSQL some 20 ms, and copying it takes the process 1 ms. */
const BATCH = 500;

export interface ImportBatch {
  users: ImportedUser[];
  /** Row numbers of `users`, in the same order. */
  rows: number[];
  rejections: Rejection[];
  /** Number of the last record of the batch. */
  done: number;
}

export interface RowsTask extends Asking {
  jobId: string;
  encoding?: CsvEncoding;
}

/** Asks for the next chunk of the file (null after the last one), or passes on a batch (the answer is null, too). */
export type RowsQuestion = 'next' | ImportBatch;

export default async function readRows(task: RowsTask): Promise<void> {
  const ask = askThrough<RowsQuestion, Uint8Array | null>(task);
  const file = new ImportFile(task.encoding);
  let batch = emptyBatch();
  let chunk: Uint8Array | null;
  do {
    chunk = await ask('next');
    for (const record of file.read(chunk)) {
      put(batch, checkRow(task.jobId, file.columns, record), record.row);
      if (record.row % BATCH !== 0) continue;
      await ask(batch);
      batch = emptyBatch();
    }
  } while (chunk);
  if (batch.done > 0) await ask(batch);
}

function emptyBatch(): ImportBatch {
  return { users: [], rows: [], rejections: [], done: 0 };
}

function put(batch: ImportBatch, checked: ImportedUser | Rejection[], row: number): void {
  batch.done = row;
  if (Array.isArray(checked)) return void batch.rejections.push(...checked);
  batch.users.push(checked);
  batch.rows.push(row);
}
