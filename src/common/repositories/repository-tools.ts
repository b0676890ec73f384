// The dependencies of every repository in one parameter.
import { Injectable } from '@nestjs/common';
import { CacheSettings } from '../../shared/cache/cache.settings.js';
import { SecuritySettings } from '../../shared/security/security.settings.js';
import { CursorCipher } from '../../shared/libs/cursor.js';
import { SnowflakeIds } from '../../shared/database/snowflake-ids.js';
import type { CacheOptions } from '../../shared/cache/cache-entry.js';
import { CacheService } from '../../shared/cache/cache.service.js';
import { Transaction } from '../../shared/database/transaction.js';
import { KeyedSemaphore } from '../../shared/libs/semaphore.js';

/** Shorter than REQUEST_TIMEOUT: a request that waits in vain is answered with 503. */
const MAX_TURN_WAIT_MS = 10_000;

@Injectable()
export class RepositoryTools {
  readonly cursors: CursorCipher;
  private readonly turns = new KeyedSemaphore(1, Infinity, MAX_TURN_WAIT_MS);
  private readonly ttl: number;

  constructor(
    readonly transaction: Transaction,
    readonly ids: SnowflakeIds,
    readonly cache: CacheService,
    { sessionSecret }: SecuritySettings,
    { ttl }: CacheSettings,
  ) {
    this.cursors = new CursorCipher(sessionSecret);
    this.ttl = ttl;
  }

  /** Returns the cache options of a read that depends on the data of these tags. */
  cached(...tags: string[]): CacheOptions {
    return { ttl: this.ttl, tags };
  }

  /**
   * Runs `work` after the earlier work of this key in this process. For work that needs a lock in PostgreSQL: a request that
   * waits for it there holds a connection, and a few requests of one user would take the connections of all others. Throws
   * SemaphoreFullError, which is answered as SERVICE_UNAVAILABLE.
   */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.transaction.isRunning) return work(); // it has its connection, and may hold the lock already
    return this.turns.run(key, work);
  }
}
