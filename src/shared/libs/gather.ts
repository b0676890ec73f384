// Things that come one by one, sent together: what arrives while a sending is under way waits for the next one.
import { AsyncLocalStorage } from 'node:async_hooks';

interface Waiting<T, R> {
  item: T;
  resolve: (answer: R) => void;
  reject: (error: unknown) => void;
}

/**
 * `gather(item)` gives the answer for it, from `send(items)`, which answers in the same order. `lines` sendings are under
 * way at most, each with `most` items: alone an item goes at once, and the busier it is the larger the groups become, as
 * in a database's group commit. A sending that fails fails its items, nobody else's. It runs in the context of whoever
 * made the gather: none of those who wait for it lends it its own (a transaction, a request that may be cancelled).
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
  /** After this turn of the event loop: whoever else asks in it comes along. */
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
