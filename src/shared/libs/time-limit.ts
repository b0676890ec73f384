// Limits the time to wait for work. The work itself goes on: what can be ended needs a signal, too.

export class TimeLimitError extends Error {
  constructor(ms: number) {
    super(`No answer within ${ms} ms.`);
    this.name = 'TimeLimitError';
  }
}

/** Parts of a time limit. A turn of the event loop that takes longer than one part, as of a busy process, counts as one. */
const PARTS = 5;

/**
 * Settles as `work` does, or rejects with TimeLimitError after `ms` milliseconds. A process that was busy itself must not treat the
 * other side as slow: it waits until it has looked for an answer several times.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const wait = (parts: number): void => {
      timer = setTimeout(() => (parts > 1 ? wait(parts - 1) : reject(new TimeLimitError(ms))), ms / PARTS);
    };
    wait(PARTS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns true when `work` succeeded within `ms` milliseconds. Never rejects. */
export function succeedsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  return within(ms, work).then(
    () => true,
    () => false,
  );
}
