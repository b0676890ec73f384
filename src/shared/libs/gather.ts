// Batches items: those that arrive while a batch is being sent go out with the next one.
import { AsyncLocalStorage } from 'node:async_hooks';

interface Waiting<T, R> {
  item: T;
  resolve: (answer: R) => void;
  reject: (error: unknown) => void;
}

/**
 * Returns `gather(item)`, which resolves to the result for that item. `send(items)` must return its results in the same
 * order. At most `lines` batches are in flight, each with at most `most` items. A single item is sent at once; under load
 * the batches grow, like group commit in a database. A failed batch rejects its own items only. `send` runs in the async
 * context of the caller of `createGather`: it must not inherit a transaction or a cancellable request from an item's caller.
 */
export function createGather<T, R>(
  send: (items: T[]) => Promise<readonly R[]>,
  { most = 500, lines = 1 } = {},
): (item: T) => Promise<R> {
  const outside = AsyncLocalStorage.snapshot();
  const waiting: Array<Waiting<T, R>> = [];
  let underWay = 0;
  let asked = false;

  const go = async (): Promise<void> => {
    const group = waiting.splice(0, most);
    underWay++;
    try {
      const answers = await send(group.map(({ item }) => item));
      group.forEach(({ resolve }, at) => resolve(answers[at] as R));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    underWay--;
    next();
  };
  /** Starts after this turn of the event loop, so that all items of the turn share the batch. */
  const next = (): void => {
    if (asked || underWay >= lines || waiting.length === 0) return;
    asked = true;
    setImmediate(() => {
      asked = false;
      while (underWay < lines && waiting.length > 0) void outside(go);
    });
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      next();
    });
}
