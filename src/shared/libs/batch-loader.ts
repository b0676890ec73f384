// Combines single lookups of one event-loop turn into one bulk load.

/**
 * Returns `ask(key)`. It collects the keys requested in this turn of the event loop and then calls `load` once with all of
 * them. Resolves to undefined when `load` returned no value for the key.
 */
export function createBatchLoader<K, T>(
  load: (keys: K[]) => Promise<ReadonlyMap<K, T>>,
): (key: K) => Promise<T | undefined> {
  let open: { keys: K[]; answers: Promise<ReadonlyMap<K, T>> } | undefined;
  const start = (keys: K[]): Promise<ReadonlyMap<K, T>> =>
    new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      open = undefined;
      return load(keys);
    });
  return async (key) => {
    if (!open) {
      const keys: K[] = [];
      open = { keys, answers: start(keys) };
    }
    open.keys.push(key);
    return (await open.answers).get(key);
  };
}
