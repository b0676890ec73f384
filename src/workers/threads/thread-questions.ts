// Questions from a thread to the process: one at a time, so neither side runs ahead of the other.
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { ThreadPools } from './thread-pools.js';

export interface AskingThread<Q, A> {
  file: string;
  /** The thread's task, without the `port` for its questions. */
  task: object;
  answer: (question: Q) => Promise<A>;
  /** Ends the thread, whatever it does. */
  signal: AbortSignal;
}

/** Part of a thread's task: the port for its questions. */
export interface Asking {
  port: MessagePort;
}

/** The thread's side: returns a function that sends a question and resolves with the answer. */
export function askThrough<Q, A>({ port }: Asking): (question: Q) => Promise<A> {
  return async (question) => {
    const answered = once(port, 'message');
    port.postMessage(question);
    const [answer] = (await answered) as [A];
    return answer;
  };
}

/**
 * The process's side: runs the thread and answers its questions. Rejects with what `answer` or the thread threw, with the
 * signal's reason, or when the thread died. Settles only after the last `answer` has ended, so nothing of it happens
 * later.
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
    port1.close(); // first, otherwise a question that is on its way would still be answered
    await answering;
  }
}
