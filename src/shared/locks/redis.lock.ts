// Locks in Redis: a key with our token and a time to live.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Transaction } from '../database/transaction.js';
import type { LockHandle } from './lock-lease.js';
import { lockBusy, lockUnavailable } from './lock.errors.js';
import { LockService } from './lock.service.js';
import type { Redis } from '../redis/redis.js';

/** The first pauses are short, as most locks are held briefly; later about 20 requests/s, random to keep processes apart. */
const FIRST_PAUSE_MS = 4;
const MAX_PAUSE_MS = 100;
/** A waiting process that dies blocks the others for this time; longer than the longest pause plus an answer. */
const RESERVATION_MS = 300;

const FENCE = { name: 'lock-fence', text: `SELECT nextval('lock_fences') AS fence` };

/**
 * A Redis that loses its memory (a crash, a failover) forgets the holders: until the old holder renews its lease, there may
 * be two. Fences solve this, so they come from PostgreSQL: a counter in Redis would be reset together with the locks, while
 * the sequence is lost or kept together with the rows that store its numbers.
 */
export class RedisLock extends LockService {
  /** Keys by our tokens that may still be in Redis although we no longer need them, because Redis did not answer. */
  private readonly unreleased = new Map<string, string>();

  constructor(
    private readonly redis: Redis,
    transaction: Transaction,
  ) {
    super(transaction);
    redis.onChange((up) => up && this.clear());
  }

  protected async acquire(key: string, ttl: number, deadline: number): Promise<LockHandle> {
    // "lock:" before the key inside the hash tag: an empty hash tag would not count as one.
    const lock = `${this.redis.prefix}:{lock:${key}}`;
    const next = `${lock}:next`;
    const token = randomUUID();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, 2 * pause)) {
      const handle = await this.tryToAcquire(lock, next, token, ttl).catch((error: unknown) => {
        throw lockUnavailable(key, error);
      });
      if (handle) return handle;
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) {
        await this.release(next, token);
        throw lockBusy(key);
      }
      await delay(Math.min(remainingMs, Math.random() * pause));
    }
  }

  /** Returns null when another process holds the lock. Throws RedisUnavailableError and errors of PostgreSQL. */
  private async tryToAcquire(lock: string, next: string, token: string, ttl: number): Promise<LockHandle | null> {
    if (!this.redis.isUp) throw new Error('Redis is known to be away.'); // nothing was sent, so no key is left over
    try {
      const acquired = await this.redis.script<number>('lock-acquire', [lock, next], [token, ttl, RESERVATION_MS]);
      if (acquired === 0) return null;
      const fence = await this.nextFence();
      // If we still hold the lock now, we held it when we drew the fence. Had the lease run out before, the next holder might
      // already have drawn a smaller fence. So fences grow in the order of the holders.
      const requestedAt = performance.now();
      if (!(await this.renew(lock, token, ttl))) return null;
      return {
        fence,
        requestedAt,
        renew: () => this.renew(lock, token, ttl),
        release: () => this.release(lock, token),
      };
    } catch (error) {
      await this.release(lock, token); // without an answer the lock may still have been taken
      throw error;
    }
  }

  private async nextFence(): Promise<bigint> {
    const [row] = await this.transaction.query<{ fence: string }>(FENCE);
    return BigInt((row as { fence: string }).fence);
  }

  private async renew(lock: string, token: string, ttl: number): Promise<boolean> {
    return (await this.redis.script<number>('lock-renew', [lock], [token, ttl])) === 1;
  }

  /** Deletes the key only if it contains our token. Also true when Redis is unreachable; the key is deleted once it is back. */
  private async release(key: string, token: string): Promise<boolean> {
    try {
      return (await this.redis.script<number>('delete-if', [key], [token])) === 1;
    } catch {
      this.unreleased.set(token, key);
      return true;
    }
  }

  private clear(): void {
    const tokens = [...this.unreleased];
    this.unreleased.clear();
    for (const [token, key] of tokens) void this.release(key, token);
  }
}
