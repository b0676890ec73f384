// A thread that misbehaves, for the tests of its callers.
import { type MessagePort, threadId } from 'node:worker_threads';

export type Misbehaviour =
  | { kind: 'none' }
  | { kind: 'throw'; message: string }
  | { kind: 'exit' }
  | { kind: 'memory' }
  | { kind: 'spin'; started: MessagePort }
  | { kind: 'after'; begin: MessagePort }
  | { kind: 'exit after a message'; port: MessagePort };

/** Returns the id of its thread, if it ends normally. */
export default async function misbehave(task: Misbehaviour): Promise<number> {
  if (task.kind === 'throw') throw new RangeError(task.message);
  if (task.kind === 'exit') process.exit(3);
  if (task.kind === 'memory') for (const hoard: unknown[] = []; ;) hoard.push(new Array(1_000).fill(hoard.length));
  if (task.kind === 'spin') {
    task.started.postMessage('started');
    for (;;);
  }
  if (task.kind === 'exit after a message') {
    task.port.once('message', () => process.exit(3));
    task.port.postMessage({ kind: 'next' });
    await new Promise(() => undefined);
  }
  if (task.kind === 'after') {
    task.begin.postMessage('started');
    await new Promise((resolve) => task.begin.once('message', resolve));
    task.begin.close();
  }
  return threadId;
}
