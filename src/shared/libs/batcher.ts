// Batches items: those that arrive while a batch is being sent go out with the next one.
import { AsyncLocalStorage } from 'node:async_hooks';

interface Waiting<T, R> {
  item: T;
  resolve: (answer: R) => void;
  reject: (error: unknown) => void;
}

/**
 * Returns `batch(item)`, which resolves to the result for that item. `send(items)` must return its results in the same
 * order. At most `concurrency` batches are in flight, each with at most `maxItems` items. A single item is sent at once; under load
 * the batches grow, like group commit in a database. A failed batch rejects its own items only. `send` runs in the async
 * context of the caller of `createBatcher`: it must not inherit a transaction or a cancellable request from an item's caller.
 */
export function createBatcher<T, R>(
  send: (items: T[]) => Promise<readonly R[]>,
  { maxItems = 500, concurrency = 1 } = {},
): (item: T) => Promise<R> {
  const inCreatorContext = AsyncLocalStorage.snapshot();
  const waiting: Array<Waiting<T, R>> = [];
  let inFlight = 0;
  let isScheduled = false;

  const sendBatch = async (): Promise<void> => {
    const group = waiting.splice(0, maxItems);
    inFlight++;
    try {
      const answers = await send(group.map(({ item }) => item));
      group.forEach(({ resolve }, at) => resolve(answers[at] as R));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    inFlight--;
    next();
  };
  /** Starts after this turn of the event loop, so that all items of the turn share the batch. */
  const next = (): void => {
    if (isScheduled || inFlight >= concurrency || waiting.length === 0) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      while (inFlight < concurrency && waiting.length > 0) void inCreatorContext(sendBatch);
    });
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      next();
    });
}

/** Like `createBatcher`, with a batcher for each key. Keys without items take no memory. */
export function createKeyedBatcher<T, R>(
  send: (items: T[]) => Promise<readonly R[]>,
  options: { maxItems?: number } = {},
): (key: string, item: T) => Promise<R> {
  const inCreatorContext = AsyncLocalStorage.snapshot();
  const batchers = new Map<string, { batch: (item: T) => Promise<R>; items: number }>();
  return async (key, item) => {
    let entry = batchers.get(key);
    if (!entry) {
      entry = { batch: inCreatorContext(() => createBatcher(send, options)), items: 0 };
      batchers.set(key, entry);
    }
    entry.items++;
    try {
      return await entry.batch(item);
    } finally {
      if (--entry.items === 0) batchers.delete(key);
    }
  };
}
