// Loads missing values: one load of a key in the whole deployment, which the other callers wait for.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../libs/clock.js';
import { requestContext } from '../logging/request-context.js';
import { RedisUnavailableError, unlessUnavailable } from '../redis/redis.js';
import { type CacheOptions, toEntry } from './cache-entry.js';
import type { CacheCounts } from './cache-stats.js';
import type { Coherence } from './coherence.js';
import type { CacheEntry, Loading, MemoryStore } from './memory.store.js';
import { type RedisStore, storedOf } from './redis.store.js';

export type Load<T> = () => Promise<T | null>;

/** Interval and maximum duration of polling for a value that another process loads. */
const POLL_MS = 15;
const MAX_POLLING_MS = 3_000;
/** Larger values are not stored in Redis: one user could store 1,200 different lists a minute. In memory, a letter takes 2 bytes. */
const MAX_SHARED_BYTES = 16_384;

interface RunningLoad {
  readonly loading: Loading;
  readonly result: Promise<unknown>;
}

export class CacheLoader {
  private readonly runningLoads = new Map<string, RunningLoad>();
  private readonly nextLoads = new Map<string, Promise<unknown>>();

  /** `shared`: null without Redis. `counts`: those of this process, which the loader updates. */
  constructor(
    private readonly memory: MemoryStore,
    private readonly shared: RedisStore | null,
    private readonly coherence: Coherence,
    private readonly counts: CacheCounts,
    private readonly clock: Clock,
  ) {}

  /** Joins a running load of the same key, unless a change has invalidated it. */
  async load<T>(key: string, options: CacheOptions, load: Load<T>): Promise<T | null> {
    if (!this.coherence.holdsLease && (await this.coherence.renew())) {
      const entry = options.ttl > 0 ? this.memory.get(key, this.clock.now()) : undefined;
      if (entry) return entry.value as T | null;
    }
    const current = this.runningLoads.get(key);
    if (!current || current.loading.isInvalidated) return this.startLoad(key, options, load, null) as Promise<T | null>;
    if (this.coherence.holdsLease) return current.result as Promise<T | null>;
    return this.loadNext(key, options, load, current) as Promise<T | null>;
  }

  /**
   * Without a lease we may have missed a change that was committed after the running load had read its value. So all callers
   * that find it running share the next load, which begins after them.
   */
  private loadNext(key: string, options: CacheOptions, load: Load<unknown>, current: RunningLoad): Promise<unknown> {
    let next = this.nextLoads.get(key);
    if (!next) {
      const start = (): Promise<unknown> => {
        this.nextLoads.delete(key);
        return this.startLoad(key, options, load, null);
      };
      this.nextLoads.set(key, (next = current.result.then(start, start)));
    }
    return next;
  }

  /** Loads a new value for `previous`, which is served meanwhile. Never rejects. */
  async refresh(key: string, options: CacheOptions, load: Load<unknown>, previous: CacheEntry): Promise<void> {
    if (this.runningLoads.has(key)) return;
    this.counts.requests++; // counted as our own
    await this.startLoad(key, options, load, previous).catch(() => undefined); // the old value is still served
  }

  private startLoad(
    key: string,
    options: CacheOptions,
    load: Load<unknown>,
    previous: CacheEntry | null,
  ): Promise<unknown> {
    const loading = this.memory.open(key, options.tags);
    // Outside of the caller's request: others may join this load, and a cancel of that request must not end it.
    const work = requestContext.exit(() => this.fetch(loading, options, load, previous));
    const result = work.finally(() => {
      this.memory.close(loading);
      if (this.runningLoads.get(key) === running) this.runningLoads.delete(key);
    });
    const running = { loading, result };
    this.runningLoads.set(key, running);
    return result;
  }

  /** Reads from Redis, or loads the value in the one process that holds the claim. `previous`: a value to refresh. */
  private async fetch(loading: Loading, options: CacheOptions, load: Load<unknown>, previous: CacheEntry | null) {
    const { shared } = this;
    if (options.ttl === 0 || loading.isInvalidated || !shared?.isUp || !this.coherence.isListening)
      return this.loadHere(loading, options, load);
    try {
      if (options.shared === false) {
        loading.isInvalidated ||= (await shared.stampsOf(options.tags)) === null;
        return await this.loadHere(loading, options, load);
      }
      for (const began = performance.now(); performance.now() - began < MAX_POLLING_MS;) {
        const { found, stamps, head } = await shared.read(loading.key, options.tags);
        if (found && found.expiresAt > (previous?.expiresAt ?? this.clock.now())) {
          this.memory.fill(loading, found);
          if (this.counts.redis) this.counts.redis.hits++;
          return found.value;
        }
        if (!stamps) {
          // A change of these tags runs. This process may not know of it: the writer may have died before this process joined.
          loading.isInvalidated = true;
          break;
        }
        const token = randomUUID();
        const claim = await shared.claim(loading.key, token, head);
        if (claim === 'mine') return await this.loadForAll(shared, loading, options, load, { token, stamps });
        if (previous) return previous.value; // another process refreshes it
        if (claim === 'theirs') await delay(POLL_MS * (0.5 + Math.random()));
      }
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) throw error;
    }
    return this.loadHere(loading, options, load);
  }

  private async loadForAll(
    shared: RedisStore,
    loading: Loading,
    options: CacheOptions,
    load: Load<unknown>,
    { token, stamps }: { token: string; stamps: string[] },
  ): Promise<unknown> {
    const { key } = loading;
    try {
      const entry = await this.loadEntry(loading, options, load);
      const ttl = entry.expiresAt - this.clock.now();
      const isLarge = entry.size > MAX_SHARED_BYTES;
      void unlessUnavailable(
        isLarge ? shared.release(key, token) : shared.fill(key, token, storedOf(entry, stamps), ttl),
      );
      return entry.value;
    } catch (error) {
      void unlessUnavailable(shared.release(key, token));
      throw error;
    }
  }

  private async loadHere(loading: Loading, options: CacheOptions, load: Load<unknown>): Promise<unknown> {
    return (await this.loadEntry(loading, options, load)).value;
  }

  private async loadEntry(loading: Loading, options: CacheOptions, load: Load<unknown>): Promise<CacheEntry> {
    this.counts.loads++;
    if (this.counts.redis) this.counts.redis.misses++;
    const began = performance.now();
    const value = await load();
    const entry = toEntry(value, options, performance.now() - began, this.clock.now());
    if (options.ttl > 0) this.memory.fill(loading, entry);
    return entry;
  }
}
