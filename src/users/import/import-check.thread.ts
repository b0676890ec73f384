// Thread that reads an import file once before any user is added: checks that it is usable, and counts its rows.
import { AppError } from '../../shared/libs/app-error.js';
import type { CsvEncoding } from '../../shared/libs/csv/csv-decoder.js';
import { ImportFile } from './import-file.js';
import { type Asking, askThrough } from '../../workers/threads/thread-questions.js';

/** A thread cannot throw an AppError, since an error loses its class and members on the way. */
export type ImportCheck = { rows: number } | { refusal: Pick<AppError, 'code' | 'status' | 'level' | 'message'> };

export interface CheckTask extends Asking {
  encoding?: CsvEncoding;
}

export default async function checkFile(task: CheckTask): Promise<ImportCheck> {
  const nextChunk = askThrough<'next', Uint8Array | null>(task);
  const file = new ImportFile(task.encoding);
  let rows = 0;
  let chunk: Uint8Array | null;
  try {
    do {
      chunk = await nextChunk('next');
      for (const { row } of file.read(chunk)) rows = row;
    } while (chunk);
    return { rows };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, status, level, message } = error;
    return { refusal: { code, status, level, message } };
  }
}
