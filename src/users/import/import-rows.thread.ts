// The thread that reads the rows of an import, checks them and hands them over in batches.
import type { CsvEncoding } from '../../shared/libs/csv/csv-decoder.js';
import { ImportFile } from './import-file.js';
import { checkRow, type ImportedUser, type Rejection } from './import-row.js';
import { type Asking, askThrough } from '../../workers/threads/thread-questions.js';

/** Records of a batch: adding one takes PostgreSQL some 20 ms, copying it here the process one. */
const BATCH = 500;

export interface ImportBatch {
  users: ImportedUser[];
  /** Rows of `users`, in the same order. */
  rows: number[];
  rejections: Rejection[];
  /** Records of the file that are done with it. */
  done: number;
}

export interface RowsTask extends Asking {
  jobId: string;
  encoding?: CsvEncoding;
}

/** Asks for the next piece of the file, null after the last; or hands over a batch, whose answer is null too. */
export type RowsQuestion = 'next' | ImportBatch;

export default async function readRows(task: RowsTask): Promise<void> {
  const ask = askThrough<RowsQuestion, Uint8Array | null>(task);
  const file = new ImportFile(task.encoding);
  let batch = emptyBatch();
  let piece: Uint8Array | null;
  do {
    piece = await ask('next');
    for (const record of file.read(piece)) {
      put(batch, checkRow(task.jobId, file.columns, record), record.row);
      if (record.row % BATCH !== 0) continue;
      await ask(batch);
      batch = emptyBatch();
    }
  } while (piece);
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
