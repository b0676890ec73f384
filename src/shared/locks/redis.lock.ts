// Locks in Redis: a key with our token and a time to live.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Transaction } from '../database/transaction.js';
import type { Grip } from './lock-lease.js';
import { lockBusy, lockUnavailable } from './lock.errors.js';
import { LockService } from './lock.service.js';
import type { Redis } from '../redis/redis.js';

/** The first waits are short, for most locks are held for a moment; then 20 questions a second on average, random so that processes do not meet. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 100;
/** A process that waits and dies holds up the others so long; more than the longest pause and an answer together. */
const NEXT_MS = 300;

const FENCE = { name: 'lock-fence', text: `SELECT nextval('lock_fences') AS fence` };

/**
 * A Redis that loses its memory (a crash, a failover) forgets who holds what: until the old holder asks again, there may
 * be two. That is what fences are for, so they come from PostgreSQL: a counter in Redis would go back with it, while the
 * sequence is lost or kept together with the rows that remember its numbers.
 */
export class RedisLock extends LockService {
  /** Keys by our tokens that may be in Redis without being wanted: it did not answer. */
  private readonly leftOver = new Map<string, string>();

  constructor(
    private readonly redis: Redis,
    transaction: Transaction,
  ) {
    super(transaction);
    redis.onChange((up) => up && this.clear());
  }

  protected async take(key: string, ttl: number, giveUpAt: number): Promise<Grip> {
    // Inside the hash tag "lock:" stands before the key, for an empty tag would be none.
    const lock = `${this.redis.prefix}:{lock:${key}}`;
    const next = `${lock}:next`;
    const token = randomUUID();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, 2 * pause)) {
      const grip = await this.tryToTake(lock, next, token, ttl).catch((error: unknown) => {
        throw lockUnavailable(key, error);
      });
      if (grip) return grip;
      const left = giveUpAt - performance.now();
      if (left <= 0) {
        await this.release(next, token);
        throw lockBusy(key);
      }
      await delay(Math.min(left, Math.random() * pause));
    }
  }

  /** Null when somebody else has it. Throws RedisAwayError and whatever PostgreSQL threw. */
  private async tryToTake(lock: string, next: string, token: string, ttl: number): Promise<Grip | null> {
    if (!this.redis.isUp) throw new Error('Redis is known to be away.'); // nothing was sent that would be left over
    try {
      const taken = await this.redis.script<number>('lock-acquire', [lock, next], [token, ttl, NEXT_MS]);
      if (taken === 0) return null;
      const fence = await this.nextFence();
      // The fence was drawn while we held the lock only if we still hold it now: had it run out before, the next holder
      // might have drawn a smaller one already. So fences grow in the order of holding.
      const asked = performance.now();
      if (!(await this.renew(lock, token, ttl))) return null;
      return {
        fence,
        asked,
        renew: () => this.renew(lock, token, ttl),
        release: () => this.release(lock, token),
      };
    } catch (error) {
      await this.release(lock, token); // no answer does not mean that it was not taken
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

  /** Deletes only what holds our token. True as well when Redis is away: then it is done when it is back. */
  private async release(key: string, token: string): Promise<boolean> {
    try {
      return (await this.redis.script<number>('delete-if', [key], [token])) === 1;
    } catch {
      this.leftOver.set(token, key);
      return true;
    }
  }

  private clear(): void {
    const tokens = [...this.leftOver];
    this.leftOver.clear();
    for (const [token, key] of tokens) void this.release(key, token);
  }
}
