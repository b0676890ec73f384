// Questions asked one by one at the same moment, answered together.

/**
 * `ask(key)` collects keys until everything that is under way in this turn of the event loop has asked; then `load` gets
 * them all at once. Undefined: not in its answer.
 */
export function createBatch<K, T>(load: (keys: K[]) => Promise<ReadonlyMap<K, T>>): (key: K) => Promise<T | undefined> {
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
