// Caches a newly created object: the claim is made before the commit, the value is stored after it.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../libs/clock.js';
import type { Transaction } from '../database/transaction.js';
import type { CacheEntry, Loading, MemoryStore } from './memory.store.js';
import { type RedisStore, storedOf } from './redis.store.js';
import { unlessUnavailable } from '../redis/redis.js';

/**
 * Like a load, it reads the stamps, claims the key and opens a `Loading` before the row can exist for others. A later change of
 * the row comes after the commit; it removes the stamps and marks the `Loading` as invalidated.
 */
export class CacheCreation {
  private readonly token = randomUUID();
  /** Null when the value will not be stored in Redis. */
  private stamps: string[] | null = null;

  /** `shared`: null without Redis or while it is unreachable. */
  constructor(
    private readonly loading: Loading,
    private readonly memory: MemoryStore,
    private readonly shared: RedisStore | null,
    private readonly clock: Clock,
  ) {}

  /** Stores the entry made by `toEntry` after the commit of the running transaction, or at once outside a transaction. */
  async during<T>(transaction: Transaction, create: () => Promise<T>, toEntry: (created: T) => CacheEntry): Promise<T> {
    try {
      await this.claim();
      const created = await create();
      transaction.onEnd((outcome) => (outcome === 'committed' ? this.keep(toEntry(created)) : this.abandon()));
      return created;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  private async claim(): Promise<void> {
    const { shared, loading } = this;
    if (!shared) return;
    const asked = Promise.all([shared.stampsOf(loading.tags), shared.claim(loading.key, this.token)]);
    const [stamps, claim] = (await unlessUnavailable(asked)) ?? [null];
    if (claim === 'mine') this.stamps = stamps;
  }

  private keep(entry: CacheEntry): void {
    const { loading, memory, shared, stamps, token } = this;
    memory.fill(loading, entry);
    memory.close(loading);
    const ttl = entry.expiresAt - this.clock.now();
    if (shared && stamps) void unlessUnavailable(shared.fill(loading.key, token, storedOf(entry, stamps), ttl));
  }

  private abandon(): void {
    const { loading, memory, shared, stamps, token } = this;
    memory.close(loading);
    if (shared && stamps) void unlessUnavailable(shared.release(loading.key, token));
  }
}
