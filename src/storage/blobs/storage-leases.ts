// Bytes that stand in the storage for a time only: those that are being written, are to be removed, or belong to nobody.
import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Transaction } from '../../shared/database/transaction.js';
import { requestContext } from '../../shared/logging/request-context.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { FileStorage } from '../file-storage.js';
import type { Bucket } from '../buckets/bucket.entity.js';
import { BucketErrors } from '../buckets/buckets.errors.js';
import type { Owner } from '../../common/access/permissions.js';
import { QuotaErrors, StorageErrors } from '../storage.errors.js';

const statement = sqlFiles(import.meta.url, 'storage-leases');

/** Bytes that are being written. While this process lives the lease is renewed, until `forget` or `end`. */
export interface WriteLease {
  readonly storageKey: string;
  /** How many bytes its owner may still store, what was reserved for these included. */
  readonly roomBytes: number;
  /** Aborts when the lease was lost: the sweep has taken this process for dead. */
  readonly signal: AbortSignal;
}

/** Why bytes with a lease are to be removed when it ends. */
export type LeaseReason = 'WRITE' | 'DELETE' | 'QUARANTINE';

export interface ExpiredLease {
  storageKey: string;
  reason: LeaseReason;
}

/**
 * The one rule: when a lease is over, its bytes are removed, then its row. So whatever dies at whatever moment, no bytes
 * are without a row that knows of them.
 */
@Injectable()
export class StorageLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly held = new Map<string, AbortController>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly transaction: Transaction,
    private readonly storage: FileStorage,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.renew(), this.config.files.lease / 3);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Reserves the place and what is known of the size, before the first byte. Throws QUOTA_EXCEEDED, NOT_FOUND (of the bucket). */
  async begin(owner: Owner, bucket: Bucket, expectedBytes: number): Promise<WriteLease> {
    const storageKey = randomUUID(); // at random, unlike v7, so that it spreads over the folders
    const room = await this.reserve(storageKey, owner, bucket, expectedBytes, this.config.files.lease);
    return this.hold(storageKey, room);
  }

  /**
   * The same for bytes that come later: it lasts without signs of life, until somebody takes it over. Gives how many
   * bytes the owner may still store, these included. Throws QUOTA_EXCEEDED, NOT_FOUND (of the bucket).
   */
  async reserve(storageKey: string, owner: Owner, bucket: Bucket, bytes: number, ms: number): Promise<number> {
    const [row] = await this.transaction.query<{ bytes: string; files: string }>(
      statement('begin-write', [
        ...[storageKey, owner.key, bucket.name, bytes, ms],
        ...[this.config.files.quota.bytes, this.config.files.quota.files, bucket.userQuota],
        !this.transaction.isRunning, // a writer whose lease is lost is refused in the end
      ]),
    );
    if (!row) throw BucketErrors.NOT_FOUND(bucket.name); // deleted since it was read
    const left = { bytes: Number(row.bytes), files: Number(row.files) };
    if (left.files < 0) throw QuotaErrors.QUOTA_EXCEEDED('files');
    if (left.bytes < 0) throw QuotaErrors.QUOTA_EXCEEDED('bytes');
    return left.bytes + bytes;
  }

  /**
   * What was reserved is this writer's from now on, under a new key: whoever still writes under the old one finds no
   * place for it. Null: nothing is reserved there.
   */
  async takeOver(storageKey: string): Promise<WriteLease | null> {
    const next = randomUUID();
    const [row] = await this.transaction.query<{ reserved_bytes: string }>({
      name: 'storage-leases-take-over',
      text: `UPDATE storage_leases SET storage_key = $2 WHERE storage_key = $1 AND reason = 'WRITE' RETURNING reserved_bytes`,
      values: [storageKey, next],
    });
    return row ? this.hold(next, Number(row.reserved_bytes)) : null;
  }

  /** The same for bytes that count on nobody's quota. */
  async beginUncharged(): Promise<WriteLease> {
    const storageKey = randomUUID();
    await this.mark([storageKey], 'WRITE', this.config.files.lease);
    return this.hold(storageKey, Infinity);
  }

  /** In the transaction that gives the bytes a place for good. Throws WRITE_LOST when the sweep was faster. */
  async claim(storageKey: string): Promise<{ reservedBytes: number }> {
    const [row] = await this.transaction.query<{ reserved_bytes: string }>({
      name: 'storage-leases-claim',
      text: `DELETE FROM storage_leases WHERE storage_key = $1 AND reason = 'WRITE' RETURNING reserved_bytes`,
      values: [storageKey],
    });
    if (!row) throw StorageErrors.WRITE_LOST();
    return { reservedBytes: Number(row.reserved_bytes) };
  }

  /** From now on nobody renews it. */
  forget(storageKey: string): void {
    this.held.delete(storageKey);
  }

  /** In the caller's transaction: these bytes are not needed any more once it is committed. */
  async mark(storageKeys: readonly string[], reason: LeaseReason, ms = 0): Promise<void> {
    if (storageKeys.length > 0) await this.transaction.query(statement('mark', [storageKeys, reason, ms]));
  }

  /** Removes the bytes, then the row, and gives back what was reserved. Idempotent; does nothing to bytes that are needed. */
  end(storageKey: string): Promise<void> {
    this.forget(storageKey);
    return requestContext.exit(() => this.removeBytes(storageKey)); // whoever asked may have hung up
  }

  /**
   * `end` by a writer whose bytes have surely got no row: also when the lease was lost to the sweep, which may have been
   * there before the last bytes were.
   */
  async abandon(storageKey: string): Promise<void> {
    await requestContext.exit(() => this.mark([storageKey], 'DELETE'));
    await this.end(storageKey);
  }

  /** The same where a commit has failed: that it was done is out of the question only when the place was lost. */
  async giveUp(storageKey: string, why: unknown): Promise<void> {
    const isLost = why instanceof AppError && why.code === StorageErrors.WRITE_LOST.code;
    await (isLost ? this.abandon(storageKey) : this.end(storageKey));
  }

  /** `end` after a commit, by nobody who waits: what fails is the sweep's. */
  endSoon(storageKeys: readonly string[]): void {
    const end = async (): Promise<void> => {
      for (const key of storageKeys) await this.end(key);
    };
    void end().catch((error: unknown) =>
      this.logger.warn({ err: error }, 'Bytes that nobody needs were not removed yet'),
    );
  }

  /** The oldest first. */
  async listExpired(limit: number): Promise<ExpiredLease[]> {
    const rows = await this.transaction.query<{ storage_key: string; reason: LeaseReason }>({
      name: 'storage-leases-expired',
      text: 'SELECT storage_key, reason FROM storage_leases WHERE expires_at <= now() ORDER BY expires_at, storage_key LIMIT $1',
      values: [limit],
    });
    return rows.map((row) => ({ storageKey: row.storage_key, reason: row.reason }));
  }

  private hold(storageKey: string, roomBytes: number): WriteLease {
    const lost = new AbortController();
    this.held.set(storageKey, lost);
    return { storageKey, roomBytes, signal: lost.signal };
  }

  private async renew(): Promise<void> {
    const keys = [...this.held.keys()];
    if (keys.length === 0) return;
    try {
      const rows = await this.transaction.query<{ storage_key: string }>(
        statement('renew', [keys, this.config.files.lease]),
      );
      const alive = new Set(rows.map((row) => row.storage_key));
      for (const key of keys.filter((one) => !alive.has(one))) this.held.get(key)?.abort(StorageErrors.WRITE_LOST());
    } catch (error) {
      this.logger.warn({ err: error }, 'No sign of life could be given for files that are being written');
    }
  }

  private async removeBytes(storageKey: string): Promise<void> {
    const taken = await this.transaction.query({
      name: 'storage-leases-take',
      text: `UPDATE storage_leases SET reason = 'DELETE', expires_at = now() WHERE storage_key = $1 RETURNING 1`,
      values: [storageKey],
    }); // before the bytes go: no writer may claim them now
    if (taken.length === 0) return;
    await this.storage.remove(storageKey);
    await this.transaction.query(statement('release', [storageKey]));
  }
}
