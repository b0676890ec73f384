// The file that says which rows of an import were not taken: written while they are found, and only when there are some.
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

  /** Resolves when there is room for more. Rejects when the bytes cannot be stored. */
  async add(rejections: readonly Rejection[]): Promise<void> {
    if (rejections.length === 0) return;
    const [lines, stored] = this.open();
    const text = toCsv(rejections.map(({ row, column, reason }) => [row, column, reason, REASONS[reason]]));
    if (!lines.write(text)) await Promise.race([once(lines, 'drain'), stored]);
  }

  /** The whole file; null: nothing was rejected. From then on it is the caller's. */
  async close(): Promise<StoredBlob | null> {
    this.lines?.end();
    this.lines = undefined;
    return (await this.stored) ?? null;
  }

  /** Of a file that was not closed nothing is left. */
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
      maxBytes: Infinity, // some lines for each of 100,000 rows at most
      signal: this.signal,
    });
    this.stored.catch(() => undefined); // who writes or closes hears of it
    this.lines.write(toCsv([HEADER]));
    return [this.lines, this.stored];
  }
}
