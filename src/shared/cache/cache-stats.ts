// Cache statistics: the counts of one process, and their sum over the deployment.

/** Counts since the process started; `ms` is the total duration of all requests. */
export interface CacheCounts {
  requests: number;
  /** Requests that loaded the value themselves; the others found it or waited for such a load. */
  loads: number;
  ms: number;
  memory: LayerCounts & { bytes: number; evictions: number };
  /** Null without Redis. The size is not part of it: it belongs to the whole deployment and must not be summed. */
  redis: Omit<LayerCounts, 'size'> | null;
}

export interface LayerCounts {
  hits: number;
  misses: number;
  size: number;
}

export function sumCounts(all: readonly CacheCounts[]): CacheCounts {
  const add = (pick: (counts: CacheCounts) => number): number => all.reduce((sum, counts) => sum + pick(counts), 0);
  return {
    requests: add(({ requests }) => requests),
    loads: add(({ loads }) => loads),
    ms: add(({ ms }) => ms),
    memory: {
      hits: add(({ memory }) => memory.hits),
      misses: add(({ memory }) => memory.misses),
      size: add(({ memory }) => memory.size),
      bytes: add(({ memory }) => memory.bytes),
      evictions: add(({ memory }) => memory.evictions),
    },
    redis: all.some(({ redis }) => redis)
      ? { hits: add(({ redis }) => redis?.hits ?? 0), misses: add(({ redis }) => redis?.misses ?? 0) }
      : null,
  };
}
