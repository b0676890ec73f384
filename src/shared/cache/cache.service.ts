// Cached reads, in this process and in Redis if there is one; a value is not older than the last commit (ADR 003).
import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import { createBatchLoader } from '../libs/batch-loader.js';
import type { Clock } from '../libs/clock.js';
import { globMatcher } from '../libs/glob.js';
import { isConnectionFailure } from '../database/sql-state.js';
import type { DatabaseClock } from '../database/database-clock.js';
import type { Outcome, Transaction } from '../database/transaction.js';
import type { EventRelay } from '../pubsub/relay.js';
import { CacheChange } from './cache-change.js';
import { ChangeDeadline } from './change-deadline.js';
import { CacheCreation } from './cache-creation.js';
import { type CacheOptions, isDueEarly, toEntry } from './cache-entry.js';
import { CacheLoader, type Load } from './cache-loader.js';
import { type CacheCounts, sumCounts } from './cache-stats.js';
import { Coherence } from './coherence.js';
import type { MemoryStore } from './memory.store.js';
import { type RedisStore, storedOf } from './redis.store.js';
import { unlessUnavailable } from '../redis/redis.js';

export interface CacheStatus {
  counts: CacheCounts;
  processes: number;
  /** Both null while Redis is unreachable. The evictions count all keys of the server, also foreign ones, since its start. */
  redisSize: number | null;
  redisEvictions: number | null;
}

export class CacheService implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly coherence: Coherence;
  private readonly loader: CacheLoader;
  private readonly own: CacheCounts;

  /** `relays`: the fastest first, the database's last. `shared`: the second layer, null without Redis. */
  constructor(
    private readonly memory: MemoryStore,
    private readonly shared: RedisStore | null,
    relays: readonly EventRelay[],
    private readonly transaction: Transaction,
    private readonly databaseClock: DatabaseClock,
    private readonly clock: Clock,
  ) {
    this.own = {
      ...{ requests: 0, loads: 0, ms: 0, memory: { hits: 0, misses: 0, size: 0, bytes: 0, evictions: 0 } },
      redis: shared && { hits: 0, misses: 0 },
    };
    shared?.onNewEpoch(() => memory.clear());
    const last = relays.length - 1;
    this.coherence = new Coherence(relays, {
      // The last relay carries the changes of processes that cannot reach Redis: each receiver writes them to Redis.
      beginChange: async (tags, id, relay) => {
        memory.beginChange(tags, id);
        if (relay === last) await shared?.beginChange(tags, id);
      },
      endChange: (tags, id, relay) => {
        memory.endChange(tags, id);
        if (relay === last) void shared?.endChange(tags, id);
      },
      distrust: (isLast, completeEpochs) => {
        memory.clear();
        // Changes of processes that could not reach Redis may be missing there.
        if (isLast) shared?.distrust(completeEpochs);
      },
      completeEpoch: async () => (await shared?.completeEpoch()) ?? null,
      drop: (pattern) => this.dropFromMemory(pattern),
      runningChanges: () => memory.runningChanges(),
      report: () => this.counts(),
    });
    this.loader = new CacheLoader(memory, shared, this.coherence, this.own, clock);
  }

  /**
   * Returns the value under `key`. A missing value is loaded by one caller in the whole deployment, and the others wait for
   * it. Null means that the object does not exist; this is cached too. Inside a transaction the value is always loaded.
   * Values are JSON; callers must not change the returned object.
   */
  wrap<T>(key: string, options: CacheOptions, load: Load<T>): T | null | Promise<T | null> {
    if (this.transaction.isRunning) return load();
    const began = performance.now();
    const now = this.clock.now();
    const entry = options.ttl > 0 && this.coherence.holdsLease ? this.memory.get(key, now) : undefined;
    if (entry) {
      if (isDueEarly(entry, now)) void this.loader.refresh(key, options, load, entry);
      this.count('memory', true, began);
      return entry.value as T | null;
    }
    this.own.memory.misses++;
    return this.loader.load<T>(key, options, load).finally(() => this.countTime(began));
  }

  /**
   * Returns a value that this process holds in memory, as `wrap` would. Undefined: use `wrap`, since the value is missing, is
   * known not to exist, or is due for a refresh.
   */
  peek<T>(key: string): T | undefined {
    if (this.transaction.isRunning || !this.coherence.holdsLease) return undefined;
    const [began, now] = [performance.now(), this.clock.now()];
    const entry = this.memory.get(key, now);
    if (!entry || entry.value === null || isDueEarly(entry, now)) return undefined;
    this.count('memory', true, began);
    return entry.value as T;
  }

  /** Returns the value that `set` or `wrap` stored under `key`, or undefined. */
  async get<T>(key: string): Promise<T | null | undefined> {
    const began = performance.now();
    const entry = this.coherence.holdsLease ? this.memory.get(key, this.clock.now()) : undefined;
    if (entry) {
      this.count('memory', true, began);
      return entry.value as T | null;
    }
    this.own.memory.misses++;
    const found = this.coherence.isListening ? await this.ask((shared) => shared.find(key), undefined) : undefined;
    if (!found) this.own.loads++;
    this.count('redis', found !== undefined, began);
    return found?.value as T | null | undefined;
  }

  /**
   * Stores a value that does not come from the database. A value from the database could be overtaken by a change, which only
   * `wrap` detects.
   */
  async set(key: string, value: unknown, options: CacheOptions): Promise<void> {
    await this.dropInOtherProcesses(key);
    const loading = this.memory.open(key, options.tags);
    try {
      const entry = toEntry(value, options, 0, this.clock.now());
      await this.ask(async (shared) => {
        const stamps = await shared.stampsOf(options.tags);
        if (stamps) await shared.set(key, storedOf(entry, stamps), entry.expiresAt - this.clock.now());
      }, undefined);
      this.memory.fill(loading, entry);
    } finally {
      this.memory.close(loading);
    }
  }

  async delete(key: string): Promise<boolean> {
    const isLocal = this.memory.deleteWhere((candidate) => candidate === key) > 0;
    const isRemote = (await this.dropInOtherProcesses(key)) > 0;
    return (await this.ask((shared) => shared.delete(key), false)) || isLocal || isRemote;
  }

  /**
   * Deletes the keys that match a Redis glob (`*` is everything), in every layer of every process, before it resolves.
   * Returns the number of deleted values: those in Redis if there is one, because the processes hold copies of them.
   */
  async deletePattern(pattern: string): Promise<number> {
    const inRedis = await this.ask((shared) => shared.deleteWhere(pattern), 0);
    const locally = this.dropFromMemory(pattern);
    const remotely = await this.coherence.drop(pattern);
    return this.shared ? Math.max(inRedis, locally, remotely) : locally + remotely;
  }

  /** Returns several values; the missing ones are loaded together. A key without a value is absent from the result. */
  async mget<T>(
    keys: readonly string[],
    optionsOf: (key: string) => CacheOptions,
    load: (missing: string[]) => Promise<ReadonlyMap<string, T>>,
  ): Promise<Map<string, T>> {
    const ask = createBatchLoader(load);
    const found = new Map<string, T>();
    const find = async (key: string): Promise<void> => {
      const value = await this.wrap<T>(key, optionsOf(key), async () => (await ask(key)) ?? null);
      if (value !== null) found.set(key, value);
    };
    await Promise.all([...new Set(keys)].map(find));
    return found;
  }

  /**
   * Runs a change of the data behind these tags. After its commit no process in the deployment serves the old values. Inside
   * a transaction the tags are announced before its commit; outside, `work` must be one statement, or one
   * `runPipelined`, that makes no change after the deadline. Throws ChangeTooLateError.
   */
  async changing<T>(tags: readonly string[], work: (deadline: ChangeDeadline) => Promise<T>): Promise<T> {
    if (tags.length === 0) return work(ChangeDeadline.NONE);
    const joined = this.transaction.participant(this, () => this.createChange());
    if (joined) {
      joined.add(tags);
      return work(ChangeDeadline.NONE);
    }
    const change = this.createChange();
    change.add(tags);
    let outcome: Outcome = 'rolled back';
    try {
      await change.prepare();
      const result = await work(await ChangeDeadline.after(change.beganAt, this.databaseClock));
      outcome = 'committed';
      return result;
    } catch (error) {
      if (isConnectionFailure(error)) outcome = 'unknown';
      throw error;
    } finally {
      change.finish(outcome);
    }
  }

  /**
   * Runs `create`, which creates an object, and caches the result of `render` under `key` for the first reader. Inside a
   * transaction it is cached after the commit; outside, `create` must be a single statement.
   */
  creating<T>(
    key: string,
    options: CacheOptions,
    create: () => Promise<T>,
    render: (created: T) => unknown,
  ): Promise<T> {
    const isShared = options.shared !== false && this.shared?.isUp && this.coherence.isListening;
    const shared = isShared ? this.shared : null;
    const creation = new CacheCreation(this.memory.open(key, options.tags), this.memory, shared, this.clock);
    return creation.during(this.transaction, create, (created) =>
      toEntry(render(created), options, 0, this.clock.now()),
    );
  }

  /** Inside a transaction: announces that the transaction changes the data behind these tags. */
  invalidate(tags: readonly string[]): Promise<void> {
    return this.changing(tags, () => Promise.resolve());
  }

  /** Returns the status of the whole deployment; the counts of other processes are up to a second old. */
  async status(): Promise<CacheStatus> {
    const others = this.coherence.reports() as CacheCounts[];
    const redisSize = await this.ask<number | null>((shared) => shared.size(), null);
    const redisEvictions = await this.ask<number | null>((shared) => shared.evictions(), null);
    return { counts: sumCounts([this.counts(), ...others]), processes: others.length + 1, redisSize, redisEvictions };
  }

  /** Runs while requests in flight finish: from now on the other processes do not wait for our acknowledgements. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.coherence.leave();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.coherence.close();
  }

  private createChange(): CacheChange {
    return new CacheChange(this.memory, this.shared, this.coherence);
  }

  private dropFromMemory(pattern: string): number {
    return this.memory.deleteWhere(globMatcher(pattern));
  }

  private dropInOtherProcesses(key: string): Promise<number> {
    return this.coherence.drop(key.replace(/[\\*?[\]]/g, '\\$&'));
  }

  /** Asks Redis; returns `fallback` when Redis is missing or unreachable. */
  private async ask<T>(question: (shared: RedisStore) => Promise<T>, fallback: T): Promise<T> {
    return (this.shared?.isUp ? await unlessUnavailable(question(this.shared)) : undefined) ?? fallback;
  }

  private counts(): CacheCounts {
    const { size, bytes, evictions } = this.memory;
    return { ...this.own, memory: { ...this.own.memory, size, bytes, evictions } };
  }

  private count(layer: 'memory' | 'redis', hit: boolean, began: number): void {
    const counts = this.own[layer];
    if (counts && hit) counts.hits++;
    else if (counts) counts.misses++;
    this.countTime(began);
  }

  private countTime(began: number): void {
    this.own.requests++;
    this.own.ms += performance.now() - began;
  }
}
