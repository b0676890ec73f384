// A thread that asks and a process that answers: one question at a time, so neither runs ahead of the other.
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { ThreadPools } from './thread-pools.js';

export interface AskingThread<Q, A> {
  file: string;
  /** Its task, beside the `port` that it asks through. */
  task: object;
  answer: (question: Q) => Promise<A>;
  /** Ends the thread, whatever it is doing. */
  signal: AbortSignal;
}

/** Of a thread's task. */
export interface Asking {
  port: MessagePort;
}

/** The thread's side. */
export function askThrough<Q, A>({ port }: Asking): (question: Q) => Promise<A> {
  return async (question) => {
    const answered = once(port, 'message');
    port.postMessage(question);
    const [answer] = (await answered) as [A];
    return answer;
  };
}

/**
 * The process's side. Rejects with what `answer` or the thread threw, with the signal's reason, and when the thread
 * died; in all cases not before the last answer is over, so that nothing of it happens later.
 */
export async function runAsking<R, Q, A>(pools: ThreadPools, thread: AskingThread<Q, A>): Promise<R> {
  const { port1, port2 } = new MessageChannel();
  const broken = new AbortController();
  let answering = Promise.resolve();
  port1.on('message', (question: Q) => {
    answering = thread
      .answer(question)
      .then((answer) => port1.postMessage(answer))
      .catch((error: unknown) => broken.abort(error));
  });
  try {
    const signal = AbortSignal.any([thread.signal, broken.signal]);
    return await pools.run<R>('data', thread.file, { ...thread.task, port: port2 }, { signal, transfer: [port2] });
  } finally {
    port1.close(); // first, or a question that is still on its way would be answered
    await answering;
  }
}
