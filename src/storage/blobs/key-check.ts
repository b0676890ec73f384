// Checks at the start that the keys are those that files were encrypted with: with a wrong key, good files would look damaged.
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigError } from '../../shared/config/config-error.js';
import { sqlStateOf } from '../../shared/database/sql-state.js';
import { Transaction } from '../../shared/database/transaction.js';
import { Keyring } from './keyring.js';

/** undefined_table: the migrations have not run yet, so there are no files. */
const NO_TABLE = '42P01';

const IS_USED = ['blobs', 'thumbnails', 'upload_segments']
  .map((table) => `EXISTS (SELECT FROM ${table} WHERE key_id = key.id)`)
  .join(' OR ');

@Injectable()
export class KeyCheck implements OnApplicationBootstrap {
  constructor(
    private readonly keyring: Keyring,
    private readonly transaction: Transaction,
  ) {}

  /** Throws ConfigError when a key is wrong or missing. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      for (const [id, fingerprint] of this.keyring.fingerprints()) await this.expectSame(id, fingerprint);
      await this.expectAll([...this.keyring.fingerprints().keys()]);
    } catch (error) {
      if (sqlStateOf(error) !== NO_TABLE) throw error;
    }
  }

  private async expectSame(id: string, fingerprint: string): Promise<void> {
    const [row] = await this.transaction.query<{ fingerprint: string }>({
      name: 'encryption-keys-note',
      text: `
        WITH new AS (INSERT INTO encryption_keys (id, fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING)
        SELECT fingerprint FROM encryption_keys WHERE id = $1`,
      values: [id, fingerprint],
    });
    if (row && row.fingerprint !== fingerprint)
      throw new ConfigError([
        `FILE_ENCRYPTION_KEYS: ${id} differs from the earlier key with this id. Restore the earlier key`,
      ]);
  }

  private async expectAll(ids: readonly string[]): Promise<void> {
    const missing = await this.transaction.query<{ id: string }>({
      name: 'encryption-keys-missing',
      text: `
        SELECT id FROM encryption_keys key
        WHERE id <> ALL ($1) AND (${IS_USED})
        ORDER BY id`,
      values: [ids],
    });
    if (missing.length > 0)
      throw new ConfigError(
        missing.map(({ id }) => `FILE_ENCRYPTION_KEYS: some files are encrypted with ${id}. Restore that key`),
      );
  }
}
