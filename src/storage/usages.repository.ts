// The table of storage usage: what each user stores, per bucket and in total; checks it against the quotas.
import { Injectable } from '@nestjs/common';
import { StorageSettings } from './storage.settings.js';
import { Transaction } from '../shared/database/transaction.js';
import type { Bucket } from './buckets/bucket.entity.js';
import type { Owner } from '../common/access/permissions.js';
import { QuotaErrors } from './storage.errors.js';

export interface Usage {
  bytes: number;
  files: number;
}

/** The key of `Transaction.inTurn` for work that locks the owner's rows of this table. */
export const usageKey = ({ key }: Owner): string => `usages:${key}`;

/** The row of all buckets together. */
const ALL = '';

@Injectable()
export class UsagesRepository {
  constructor(
    private readonly transaction: Transaction,
    private readonly settings: StorageSettings,
  ) {}

  /** Returns the usage by bucket; '' is the total. */
  async of(owner: Owner): Promise<Map<string, Usage>> {
    const rows = await this.transaction.read<UsageRow>({
      name: 'usages-of',
      text: 'SELECT bucket, bytes, files FROM storage_usages WHERE owner_id = $1 ORDER BY bucket',
      values: [owner.key],
    });
    return byBucket(rows);
  }

  /** Call it in a transaction; others of the same owner wait for its end. Throws QUOTA_EXCEEDED beyond a limit. */
  async charge(owner: Owner, bucket: Bucket, bytes: number, files: number): Promise<void> {
    const used = await this.add(owner, bucket.name, bytes, files);
    const { quota } = this.settings;
    const all = used.get(ALL) ?? { bytes: 0, files: 0 };
    if (all.files > quota.files) throw QuotaErrors.QUOTA_EXCEEDED('files');
    if (all.bytes > quota.bytes || (used.get(bucket.name)?.bytes ?? 0) > (bucket.userQuota ?? Infinity))
      throw QuotaErrors.QUOTA_EXCEEDED('bytes');
  }

  /** Returns charged quota; call it in a transaction. `bucket`: its name. */
  async giveBack(owner: Owner, bucket: string, bytes: number, files: number): Promise<void> {
    await this.add(owner, bucket, -bytes, -files);
  }

  private async add(owner: Owner, bucket: string, bytes: number, files: number): Promise<Map<string, Usage>> {
    const rows = await this.transaction.query<UsageRow>({
      name: 'usages-add',
      text: `
        UPDATE storage_usages usage SET bytes = usage.bytes + $3, files = usage.files + $4
        FROM ( -- always in this order, or two would wait for each other
          SELECT owner_id, bucket FROM storage_usages
          WHERE owner_id = $1 AND bucket IN ('', $2) ORDER BY bucket FOR UPDATE
        ) locked
        WHERE usage.owner_id = locked.owner_id AND usage.bucket = locked.bucket
        RETURNING usage.bucket, usage.bytes, usage.files`,
      values: [owner.key, bucket, bytes, files],
    });
    return byBucket(rows);
  }
}

interface UsageRow {
  bucket: string;
  bytes: string;
  files: string;
}

function byBucket(rows: readonly UsageRow[]): Map<string, Usage> {
  return new Map(rows.map((row) => [row.bucket, { bytes: Number(row.bytes), files: Number(row.files) }]));
}
