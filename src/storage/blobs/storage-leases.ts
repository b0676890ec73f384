// Leases for temporary bytes in the storage: those being written, those to be removed, and those without an owner.
import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { StorageSettings } from '../storage.settings.js';
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

/** Bytes that are being written. This process renews the lease until `forget` or `end`. */
export interface WriteLease {
  readonly storageKey: string;
  /** How many bytes the owner may still store, including the reserved ones. */
  readonly remainingBytes: number;
  /** Aborts when the lease is lost: the sweep has treated this process as dead. */
  readonly signal: AbortSignal;
}

/** The reason why the bytes are removed when the lease ends. */
export type LeaseReason = 'WRITE' | 'DELETE' | 'QUARANTINE';

export interface ExpiredLease {
  storageKey: string;
  reason: LeaseReason;
}

/**
 * The only rule: when a lease ends, first its bytes are removed, then its row. So after a crash at any moment, all bytes in
 * the storage are known to some row.
 */
@Injectable()
export class StorageLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly held = new Map<string, AbortController>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly transaction: Transaction,
    private readonly storage: FileStorage,
    private readonly settings: StorageSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.renew(), this.settings.lease / 3);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Reserves quota for the known size before the first byte. Throws QUOTA_EXCEEDED, NOT_FOUND (of the bucket). */
  async begin(owner: Owner, bucket: Bucket, expectedBytes: number): Promise<WriteLease> {
    const storageKey = randomUUID(); // random, not v7, so that keys spread over the folders
    const remainingBytes = await this.reserve(storageKey, owner, bucket, expectedBytes, this.settings.lease);
    return this.hold(storageKey, remainingBytes);
  }

  /**
   * Reserves quota for bytes that arrive later: the lease lasts `ms` without renewal, until a writer takes it over. Returns
   * how many bytes the owner may still store, including these. Throws QUOTA_EXCEEDED, NOT_FOUND (of the bucket).
   */
  async reserve(storageKey: string, owner: Owner, bucket: Bucket, bytes: number, ms: number): Promise<number> {
    const [row] = await this.transaction.query<{ bytes: string; files: string }>(
      statement('begin-write', [
        ...[storageKey, owner.key, bucket.name, bytes, ms],
        ...[this.settings.quota.bytes, this.settings.quota.files, bucket.userQuota],
        !this.transaction.isRunning, // a writer that lost its lease is refused at the end
      ]),
    );
    if (!row) throw BucketErrors.NOT_FOUND(bucket.name); // deleted since it was read
    const left = { bytes: Number(row.bytes), files: Number(row.files) };
    if (left.files < 0) throw QuotaErrors.QUOTA_EXCEEDED('files');
    if (left.bytes < 0) throw QuotaErrors.QUOTA_EXCEEDED('bytes');
    return left.bytes + bytes;
  }

  /**
   * Takes over a reservation under a new key; an earlier writer that still uses the old key can no longer claim it. Returns
   * null when nothing is reserved under this key.
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

  /** Starts a write that counts towards no quota. */
  async beginUncharged(): Promise<WriteLease> {
    const storageKey = randomUUID();
    await this.mark([storageKey], 'WRITE', this.settings.lease);
    return this.hold(storageKey, Infinity);
  }

  /** Ends the lease, in the transaction that makes the bytes permanent. Throws WRITE_LOST when the sweep was faster. */
  async claim(storageKey: string): Promise<{ reservedBytes: number }> {
    const [row] = await this.transaction.query<{ reserved_bytes: string }>({
      name: 'storage-leases-claim',
      text: `DELETE FROM storage_leases WHERE storage_key = $1 AND reason = 'WRITE' RETURNING reserved_bytes`,
      values: [storageKey],
    });
    if (!row) throw StorageErrors.WRITE_LOST();
    return { reservedBytes: Number(row.reserved_bytes) };
  }

  /** Stops the renewal of the lease. */
  forget(storageKey: string): void {
    this.held.delete(storageKey);
  }

  /** Schedules bytes for removal after `ms`, in the caller's transaction. */
  async mark(storageKeys: readonly string[], reason: LeaseReason, ms = 0): Promise<void> {
    if (storageKeys.length > 0) await this.transaction.query(statement('mark', [storageKeys, reason, ms]));
  }

  /** Removes the bytes, then the row, and releases the reserved quota. Idempotent; does nothing to bytes that are in use. */
  end(storageKey: string): Promise<void> {
    this.forget(storageKey);
    return requestContext.exit(() => this.removeBytes(storageKey)); // the request that asked may be cancelled
  }

  /**
   * `end` for a writer whose bytes certainly have no row. Also covers a lease lost to the sweep, which may have run before the
   * last bytes were written.
   */
  async abandon(storageKey: string): Promise<void> {
    await requestContext.exit(() => this.mark([storageKey], 'DELETE'));
    await this.end(storageKey);
  }

  /** `abandon` after a failed commit. Only WRITE_LOST proves that the commit did not happen; otherwise it is `end`. */
  async giveUp(storageKey: string, why: unknown): Promise<void> {
    const isLost = why instanceof AppError && why.code === StorageErrors.WRITE_LOST.code;
    await (isLost ? this.abandon(storageKey) : this.end(storageKey));
  }

  /** `end` after a commit, without waiting: the sweep handles failures. */
  endSoon(storageKeys: readonly string[]): void {
    const end = async (): Promise<void> => {
      for (const key of storageKeys) await this.end(key);
    };
    void end().catch((error: unknown) =>
      this.logger.warn({ err: error }, 'Failed to remove unused bytes; the sweep retries'),
    );
  }

  /** Returns expired leases, the oldest first. */
  async listExpired(limit: number): Promise<ExpiredLease[]> {
    const rows = await this.transaction.query<{ storage_key: string; reason: LeaseReason }>({
      name: 'storage-leases-expired',
      text: 'SELECT storage_key, reason FROM storage_leases WHERE expires_at <= now() ORDER BY expires_at, storage_key LIMIT $1',
      values: [limit],
    });
    return rows.map((row) => ({ storageKey: row.storage_key, reason: row.reason }));
  }

  private hold(storageKey: string, remainingBytes: number): WriteLease {
    const lost = new AbortController();
    this.held.set(storageKey, lost);
    return { storageKey, remainingBytes, signal: lost.signal };
  }

  private async renew(): Promise<void> {
    const keys = [...this.held.keys()];
    if (keys.length === 0) return;
    try {
      const rows = await this.transaction.query<{ storage_key: string }>(
        statement('renew', [keys, this.settings.lease]),
      );
      const alive = new Set(rows.map((row) => row.storage_key));
      for (const key of keys.filter((one) => !alive.has(one))) this.held.get(key)?.abort(StorageErrors.WRITE_LOST());
    } catch (error) {
      this.logger.warn({ err: error }, 'Failed to renew the leases of files that are being written');
    }
  }

  private async removeBytes(storageKey: string): Promise<void> {
    const taken = await this.transaction.query({
      name: 'storage-leases-take',
      text: `UPDATE storage_leases SET reason = 'DELETE', expires_at = now() WHERE storage_key = $1 RETURNING 1`,
      values: [storageKey],
    }); // marked before the bytes are removed, so that no writer can claim them
    if (taken.length === 0) return;
    await this.storage.remove(storageKey);
    await this.transaction.query(statement('release', [storageKey]));
  }
}
