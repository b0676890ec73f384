// The dependencies of every repository in one parameter.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { CursorCipher } from '../../shared/libs/cursor.js';
import { SnowflakeIds } from '../../shared/database/snowflake-ids.js';
import { CacheService, type CacheOptions } from '../../shared/cache/cache.service.js';
import { Transaction } from '../../shared/database/transaction.js';
import { OwnerTurns } from '../owner-turns.js';

@Injectable()
export class RepositoryTools {
  readonly cursors: CursorCipher;
  readonly turns: OwnerTurns;
  private readonly ttl: number;

  constructor(
    readonly transaction: Transaction,
    readonly ids: SnowflakeIds,
    readonly cache: CacheService,
    readonly config: AppConfig,
  ) {
    this.cursors = new CursorCipher(config.auth.sessionSecret);
    this.turns = new OwnerTurns(transaction);
    this.ttl = config.cache.ttl;
  }

  /** Returns the cache options of a read that depends on the data of these tags. */
  cached(...tags: string[]): CacheOptions {
    return { ttl: this.ttl, tags };
  }
}
