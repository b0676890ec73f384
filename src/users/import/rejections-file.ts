// Writes the rejected rows of an import to a file while they are found; creates the file only when there are some.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FileWriter, StoredBlob } from '../../files/file-writer.js';
import { toCsv } from '../../shared/libs/csv/csv-cells.js';
import { REASONS, type Rejection } from './import-row.js';
import type { Owner } from '../../common/access/permissions.js';

const HEADER = ['row', 'column', 'reason', 'message'];

export class RejectionsFile {
  private lines: PassThrough | undefined;
  private stored: Promise<StoredBlob> | undefined;

  constructor(
    private readonly writer: FileWriter,
    private readonly owner: Owner,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when the stream has room for more. Rejects when the bytes cannot be stored. */
  async add(rejections: readonly Rejection[]): Promise<void> {
    if (rejections.length === 0) return;
    const [lines, stored] = this.open();
    const text = toCsv(rejections.map(({ row, column, reason }) => [row, column, reason, REASONS[reason]]));
    if (!lines.write(text)) await Promise.race([once(lines, 'drain'), stored]);
  }

  /** Completes the file and passes it to the caller; null when no row was rejected. */
  async close(): Promise<StoredBlob | null> {
    this.lines?.end();
    this.lines = undefined;
    return (await this.stored) ?? null;
  }

  /** Removes a file that was not closed. */
  async drop(): Promise<void> {
    if (!this.lines) return;
    this.lines.destroy();
    await this.stored?.catch(() => undefined);
  }

  private open(): [PassThrough, Promise<StoredBlob>] {
    if (this.lines && this.stored) return [this.lines, this.stored];
    this.lines = new PassThrough();
    this.stored = this.writer.store(this.owner, this.lines, {
      name: 'rejected-users.csv',
      mimeType: 'text/csv',
      maxBytes: Infinity, // a few lines for each of at most 100,000 rows
      signal: this.signal,
    });
    this.stored.catch(() => undefined); // `add` and `close` report it
    this.lines.write(toCsv([HEADER]));
    return [this.lines, this.stored];
  }
}
