// Writes the rejected rows of an import to a file while they are found; creates the file only when there are some.
import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { toCsv } from '../../shared/libs/csv/csv-cells.js';
import { REASONS, type Rejection } from './import-row.js';

const HEADER = ['row', 'column', 'reason', 'message'];

export class RejectionsFile<T> {
  private lines: PassThrough | undefined;
  private received: Promise<T> | undefined;

  /** `receive` makes a file of the lines; it is called with the first rejected row. */
  constructor(private readonly receive: (lines: Readable) => Promise<T>) {}

  /** Resolves when the stream accepts more. Rejects when the bytes cannot be stored. */
  async add(rejections: readonly Rejection[]): Promise<void> {
    if (rejections.length === 0) return;
    const [lines, received] = this.open();
    const text = toCsv(rejections.map(({ row, column, reason }) => [row, column, reason, REASONS[reason]]));
    if (!lines.write(text)) await Promise.race([once(lines, 'drain'), received]);
  }

  /** Completes the file and returns what `receive` returns; null when no row was rejected. */
  async close(): Promise<T | null> {
    this.lines?.end();
    this.lines = undefined;
    return (await this.received) ?? null;
  }

  /** Removes a file that was not closed. */
  async drop(): Promise<void> {
    if (!this.lines) return;
    this.lines.destroy();
    await this.received?.catch(() => undefined);
  }

  private open(): [PassThrough, Promise<T>] {
    if (this.lines && this.received) return [this.lines, this.received];
    this.lines = new PassThrough();
    this.received = this.receive(this.lines);
    this.received.catch(() => undefined); // `add` and `close` report it
    this.lines.write(toCsv([HEADER]));
    return [this.lines, this.received];
  }
}
