// What every repository is made with, in one parameter.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { CursorCipher } from '../../shared/libs/cursor.js';
import { SnowflakeIds } from '../../shared/services/database/snowflake-ids.js';
import { Transaction } from '../../shared/services/database/transaction.js';

@Injectable()
export class RepositoryTools {
  readonly cursors: CursorCipher;

  constructor(
    readonly transaction: Transaction,
    readonly ids: SnowflakeIds,
    config: AppConfig,
  ) {
    this.cursors = new CursorCipher(config.auth.sessionSecret);
  }
}
