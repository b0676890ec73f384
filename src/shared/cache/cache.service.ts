// Cached reads, in this process and in Redis if there is one; they never return values older than the last commit.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import { createBatch } from '../libs/batch.js';
import type { Clock } from '../libs/clock.js';
import { globMatcher } from '../libs/glob.js';
import { isConnectionFailure } from '../database/sql-state.js';
import type { Outcome, Transaction } from '../database/transaction.js';
import type { EventRelay } from '../pubsub/relay.js';
import { requestContext } from '../logging/request-context.js';
import { CacheChange } from './cache-change.js';
import { CacheCreation } from './cache-creation.js';
import { type CacheCounts, sumCounts } from './cache-stats.js';
import { Coherence } from './coherence.js';
import type { CacheEntry, Loading, MemoryStore } from './memory.store.js';
import { type RedisStore, storedOf } from './redis.store.js';
import { RedisAwayError } from '../redis/redis.js';

export interface CacheOptions {
  /**
   * Lifetime in milliseconds, varied by a tenth, so that values stored together do not expire together. 0: the value is not
   * stored, only shared by callers that ask while it is loading.
   */
  ttl: number;
  /** The data that the value depends on: a change of any tag invalidates the value. */
  tags: readonly string[];
  /**
   * Default true. False: each process loads the value itself. Use false for access rights: a client that can write to Redis
   * can restore an old value, such as the role of a former administrator.
   */
  shared?: boolean;
}

export interface CacheStatus {
  counts: CacheCounts;
  processes: number;
  /** Both null while Redis is unreachable. The evictions count all keys of the server, also foreign ones, since its start. */
  redisSize: number | null;
  redisEvictions: number | null;
}

type Load<T> = () => Promise<T | null>;

/** An absence is cached only for a moment, because a new object is usually requested soon after its creation. */
const MAX_ABSENCE_MS = 5_000;
/** How early a value is refreshed before it expires (the beta of XFetch; Vattani et al., VLDB 2015). */
const EAGERNESS = 1;
/** Interval and maximum duration of polling for a value that another process loads. */
const POLL_MS = 15;
const MAX_POLLING_MS = 3_000;
/** Larger values are not stored in Redis, which all processes share. */
const MAX_SHARED_BYTES = 262_144;

interface Flight {
  readonly loading: Loading;
  readonly result: Promise<unknown>;
}

export class CacheService implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly coherence: Coherence;
  private readonly flights = new Map<string, Flight>();
  private readonly own: CacheCounts;

  /** `relays`: the fastest first, the database's last. `shared`: the second layer, null without Redis. */
  constructor(
    private readonly memory: MemoryStore,
    private readonly shared: RedisStore | null,
    relays: readonly EventRelay[],
    private readonly transaction: Transaction,
    private readonly clock: Clock,
  ) {
    this.own = {
      ...{ requests: 0, loads: 0, ms: 0, memory: { hits: 0, misses: 0, size: 0, bytes: 0, evictions: 0 } },
      redis: shared && { hits: 0, misses: 0 },
    };
    shared?.onNewEpoch(() => memory.clear());
    const last = relays.length - 1;
    this.coherence = new Coherence(relays, {
      // The last relay carries the changes of processes that cannot reach Redis; the others write them to Redis for them.
      beginChange: async (tags, id, relay) => {
        memory.beginChange(tags, id);
        if (relay === last) await shared?.beginChange(tags, id);
      },
      endChange: (tags, id, relay) => {
        memory.endChange(tags, id);
        if (relay === last) void shared?.endChange(tags, id);
      },
      mistrust: (again, isLast) => {
        memory.clear();
        if (again && isLast) shared?.mistrust(); // processes without Redis may have announced changes that are missing in Redis
      },
      drop: (pattern) => this.dropFromMemory(pattern),
      report: () => this.counts(),
    });
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
      if (isDueEarly(entry, now)) void this.refresh(key, options, load, entry);
      this.count('memory', true, began);
      return entry.value as T | null;
    }
    this.own.memory.misses++;
    return this.join<T>(key, options, load).finally(() => this.countTime(began));
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
    const found = await this.ask((shared) => shared.find(key), undefined);
    if (!found) this.own.loads++;
    this.count('redis', found !== undefined, began);
    return found?.value as T | null | undefined;
  }

  /**
   * Stores a value that does not come from the database. A value from the database could be overtaken by a change, which only
   * `wrap` detects.
   */
  async set(key: string, value: unknown, options: CacheOptions): Promise<void> {
    await this.dropElsewhere(key);
    const loading = this.memory.open(key, options.tags);
    try {
      const entry = this.entryOf(value, options, 0);
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
    const here = this.memory.deleteWhere((candidate) => candidate === key) > 0;
    const elsewhere = (await this.dropElsewhere(key)) > 0;
    return (await this.ask((shared) => shared.delete(key), false)) || here || elsewhere;
  }

  /**
   * Deletes the keys that match a Redis glob (`*` is everything), in every layer of every process, before it resolves.
   * Returns the number of deleted values: those in Redis if there is one, because the processes hold copies of them.
   */
  async deletePattern(pattern: string): Promise<number> {
    const inRedis = await this.ask((shared) => shared.deleteWhere(pattern), 0);
    const here = this.dropFromMemory(pattern);
    const elsewhere = await this.coherence.drop(pattern);
    return this.shared ? Math.max(inRedis, here, elsewhere) : here + elsewhere;
  }

  /** Returns several values; the missing ones are loaded together. A key without a value is absent from the result. */
  async mget<T>(
    keys: readonly string[],
    optionsOf: (key: string) => CacheOptions,
    load: (missing: string[]) => Promise<ReadonlyMap<string, T>>,
  ): Promise<Map<string, T>> {
    const ask = createBatch(load);
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
   * a transaction the tags are announced before its commit; outside, `work` must be a single statement.
   */
  async changing<T>(tags: readonly string[], work: () => Promise<T>): Promise<T> {
    const joined = this.transaction.participant(this, () => this.createChange());
    if (joined) {
      joined.add(tags);
      return work();
    }
    const change = this.createChange();
    change.add(tags);
    let outcome: Outcome = 'rolled back';
    try {
      await change.prepare();
      const result = await work();
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
    const isShared = options.shared !== false && this.shared?.isUp && this.coherence.listens;
    const shared = isShared ? this.shared : null;
    const creation = new CacheCreation(this.memory.open(key, options.tags), this.memory, shared, this.clock);
    return creation.during(this.transaction, create, (created) => this.entryOf(render(created), options, 0));
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

  /** Joins a running load of the same key, unless a change has overtaken it or we might have missed that change. */
  private async join<T>(key: string, options: CacheOptions, load: Load<T>): Promise<T | null> {
    if (!this.coherence.holdsLease && (await this.coherence.renew())) {
      const entry = options.ttl > 0 ? this.memory.get(key, this.clock.now()) : undefined;
      if (entry) return entry.value as T | null;
    }
    const current = this.flights.get(key);
    if (current && !current.loading.overtaken && this.hearsChanges()) return current.result as Promise<T | null>;
    return this.fly(key, options, load, null) as Promise<T | null>;
  }

  /** True when changes reach us: over Redis, or over the last relay for processes that cannot reach Redis. */
  private hearsChanges(): boolean {
    return this.coherence.holdsLease || (this.coherence.listens && this.shared !== null && !this.shared.isUp);
  }

  private async refresh(key: string, options: CacheOptions, load: Load<unknown>, old: CacheEntry): Promise<void> {
    if (this.flights.has(key)) return;
    this.own.requests++; // counted as our own
    await this.fly(key, options, load, old).catch(() => undefined); // the old value is still served
  }

  private fly(key: string, options: CacheOptions, load: Load<unknown>, old: CacheEntry | null): Promise<unknown> {
    const loading = this.memory.open(key, options.tags);
    // Outside of the caller's request: others may join this load, and a cancel of that request must not end it.
    const work = requestContext.exit(() => this.fetch(loading, options, load, old));
    const result = work.finally(() => {
      this.memory.close(loading);
      if (this.flights.get(key) === flight) this.flights.delete(key);
    });
    const flight = { loading, result };
    this.flights.set(key, flight);
    return result;
  }

  /** Reads from Redis, or loads the value in the one process that holds the claim. `old`: a value to refresh. */
  private async fetch(loading: Loading, options: CacheOptions, load: Load<unknown>, old: CacheEntry | null) {
    const shared = options.shared === false ? null : this.shared;
    if (options.ttl === 0 || loading.overtaken || !shared?.isUp || !this.coherence.listens)
      return this.loadHere(loading, options, load);
    try {
      for (const began = performance.now(); performance.now() - began < MAX_POLLING_MS;) {
        const { found, stamps, head } = await shared.read(loading.key, options.tags);
        if (found && found.expiresAt > (old?.expiresAt ?? this.clock.now())) {
          this.memory.fill(loading, found);
          if (this.own.redis) this.own.redis.hits++;
          return found.value;
        }
        if (!stamps) break; // a change is running
        const token = randomUUID();
        const claim = await shared.claim(loading.key, token, head);
        if (claim === 'mine') return await this.loadForAll(loading, options, load, token, stamps);
        if (old) return old.value; // another process refreshes it
        if (claim === 'theirs') await delay(POLL_MS * (0.5 + Math.random()));
      }
    } catch (error) {
      if (!(error instanceof RedisAwayError)) throw error;
    }
    return this.loadHere(loading, options, load);
  }

  private async loadForAll(
    loading: Loading,
    options: CacheOptions,
    load: Load<unknown>,
    token: string,
    stamps: string[],
  ): Promise<unknown> {
    const { key } = loading;
    try {
      const entry = await this.loadEntry(loading, options, load);
      const ttl = entry.expiresAt - this.clock.now();
      if (entry.size > MAX_SHARED_BYTES) void this.ask((shared) => shared.release(key, token), undefined);
      else void this.ask((shared) => shared.fill(key, token, storedOf(entry, stamps), ttl), undefined);
      return entry.value;
    } catch (error) {
      void this.ask((shared) => shared.release(key, token), undefined);
      throw error;
    }
  }

  private async loadHere(loading: Loading, options: CacheOptions, load: Load<unknown>): Promise<unknown> {
    return (await this.loadEntry(loading, options, load)).value;
  }

  private async loadEntry(loading: Loading, options: CacheOptions, load: Load<unknown>): Promise<CacheEntry> {
    this.own.loads++;
    if (this.own.redis) this.own.redis.misses++;
    const began = performance.now();
    const entry = this.entryOf(await load(), options, performance.now() - began);
    if (options.ttl > 0) this.memory.fill(loading, entry);
    return entry;
  }

  private entryOf(value: unknown, { ttl, tags }: CacheOptions, cost: number): CacheEntry {
    const life = (value === null ? Math.min(ttl, MAX_ABSENCE_MS) : ttl) * (0.9 + Math.random() * 0.2);
    return {
      value,
      tags,
      cost,
      expiresAt: this.clock.now() + life,
      size: ttl > 0 ? JSON.stringify(value).length * 2 + 200 : 0,
    };
  }

  private dropFromMemory(pattern: string): number {
    return this.memory.deleteWhere(globMatcher(pattern));
  }

  private dropElsewhere(key: string): Promise<number> {
    return this.coherence.drop(key.replace(/[\\*?[\]]/g, '\\$&'));
  }

  /** Asks Redis; returns `otherwise` when Redis is missing or unreachable. */
  private async ask<T>(question: (shared: RedisStore) => Promise<T>, otherwise: T): Promise<T> {
    if (!this.shared?.isUp) return otherwise;
    try {
      return await question(this.shared);
    } catch (error) {
      if (error instanceof RedisAwayError) return otherwise;
      throw error;
    }
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

function isDueEarly({ expiresAt, cost }: CacheEntry, now: number): boolean {
  return now - cost * EAGERNESS * Math.log(Math.random()) >= expiresAt;
}
