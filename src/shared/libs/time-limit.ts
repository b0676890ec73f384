// Limits the time to wait for work. The work itself goes on: what can be ended needs a signal, too.

export class TimeLimitError extends Error {
  constructor(ms: number) {
    super(`No answer within ${ms} ms.`);
    this.name = 'TimeLimitError';
  }
}

/**
 * Settles as `work` does, or rejects with TimeLimitError after `ms` milliseconds. Data that has arrived by then is read before
 * the rejection: a process that was busy for a moment must not treat the other side as slow.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new TimeLimitError(ms))), ms);
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
