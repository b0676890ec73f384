// The dependencies of every repository in one parameter.
import { Injectable } from '@nestjs/common';
import { CacheSettings } from '../../shared/cache/cache.settings.js';
import { SecuritySettings } from '../../shared/security/security.settings.js';
import { CursorCipher } from '../../shared/libs/cursor.js';
import { SnowflakeIds } from '../../shared/database/snowflake-ids.js';
import type { CacheOptions } from '../../shared/cache/cache-entry.js';
import { CacheService } from '../../shared/cache/cache.service.js';
import { Transaction } from '../../shared/database/transaction.js';

@Injectable()
export class RepositoryTools {
  readonly cursors: CursorCipher;
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
}
