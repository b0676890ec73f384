// Sends what one turn of the event loop writes to a connection in one system call.
import type { Writable } from 'node:stream';

const joining = new WeakSet<Writable>();

/** Call it before each write. The bytes leave at the end of this turn, at most a few milliseconds later. */
export function joinWrites(stream: Writable): void {
  if (joining.has(stream)) return;
  joining.add(stream);
  stream.cork();
  setImmediate(() => {
    joining.delete(stream);
    stream.uncork();
  });
}
