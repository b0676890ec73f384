// Streams of local files whose reads take turns, so that many downloads at once do not keep other requests waiting.
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Semaphore } from '../../shared/libs/semaphore.js';
import { lineGroup } from '../../shared/logging/request-context.js';
import type { ByteRange } from '../file-storage.js';

/** Bytes read at once: fewer and larger calls than with the usual 64 KiB. */
export const READ_BYTES = 262_144;
/**
 * As many as libuv has threads for files. Their chunks are sent within one turn of the event loop, in about a millisecond:
 * without a limit, 800 downloads that begin together would send 200 MB in one turn.
 */
const READS_AT_ONCE = 4;

export class LocalReads {
  private readonly turns = new Semaphore(READS_AT_ONCE, Infinity, Infinity);

  /** Closes the handle at the end and when it is destroyed. The networks of the requests that read take turns. */
  stream(handle: FileHandle, { start, end }: ByteRange = { start: 0, end: Infinity }): Readable {
    const { turns } = this;
    const network = lineGroup();
    let position = start;
    const readNext = async (stream: Readable): Promise<void> => {
      if (stream.destroyed) return;
      const length = Math.min(READ_BYTES, end + 1 - position);
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
      position += bytesRead;
      stream.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
      await nextTurn(); // the turn passes on when this chunk has been sent, and other events have been handled
    };
    return new Readable({
      highWaterMark: READ_BYTES,
      read() {
        turns.run(() => readNext(this), network).catch((error: Error) => this.destroy(error));
      },
      destroy(error, done) {
        handle.close().then(
          () => done(error),
          (failure: Error) => done(error ?? failure),
        );
      },
    });
  }
}
