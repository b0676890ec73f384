// Leases for temporary bytes in the storage: those being written, those to be removed, and those without an owner.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { StorageSettings } from '../storage.settings.js';
import { Transaction } from '../../shared/database/transaction.js';
import { Semaphore } from '../../shared/libs/semaphore.js';
import { throttle } from '../../shared/libs/throttle.js';
import { LeaseKeeper } from '../../shared/libs/lease-keeper.js';
import { lineGroup, requestContext } from '../../shared/logging/request-context.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { FileStorage } from '../file-storage.js';
import type { Bucket } from '../buckets/bucket.entity.js';
import { BucketErrors } from '../buckets/buckets.errors.js';
import type { Owner } from '../../common/access/permissions.js';
import { QuotaErrors, StorageErrors } from '../storage.errors.js';
import { usageKey } from '../usages.repository.js';

const statement = sqlFiles(import.meta.url, 'storage-leases');

/** Bytes that are being written. This process renews the lease until they are claimed or discarded. */
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
 * Ends of leases at the same time, those of networks in turns: each takes three statements, and when the connections of a
 * thousand uploads break at once, all other requests would wait for them.
 */
const MAX_ENDING = 3;
/** Failures write at most one line per period, milliseconds. */
const WARNING_PERIOD_MS = 10_000;

/**
 * The only rule: when a lease ends, first its bytes are removed, then its row. So after a crash at any moment, all bytes in
 * the storage are known to some row.
 */
@Injectable()
export class StorageLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly held: LeaseKeeper<AbortController>;
  /** Collects the removals that a caller of `waitingForRemoval` waits for. */
  private readonly awaited = new AsyncLocalStorage<Array<Promise<void>>>();
  private readonly ending = new Semaphore(MAX_ENDING, Infinity, Infinity);
  private readonly logFailure: (error: unknown) => void;

  constructor(
    private readonly transaction: Transaction,
    private readonly storage: FileStorage,
    private readonly settings: StorageSettings,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.logFailure = throttle(WARNING_PERIOD_MS, () => performance.now(), (skipped, err: unknown) =>
      logger.warn({ err, skipped }, 'Failed to remove unused bytes; the sweep retries'),
    ); // prettier-ignore
    this.held = new LeaseKeeper({
      leaseMs: settings.lease,
      renew: (keys) => this.renew(keys),
      onLost: (lost) => lost.abort(StorageErrors.WRITE_LOST()),
      onError: (err) => logger.warn({ err }, 'Failed to renew the leases of files that are being written'),
    });
  }

  onApplicationBootstrap(): void {
    this.held.start();
  }

  onApplicationShutdown(): void {
    this.held.stop();
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
    const reservation = statement('begin-write', [
      ...[storageKey, owner.key, bucket.name, bytes, ms],
      ...[this.settings.quota.bytes, this.settings.quota.files, bucket.userQuota],
      !this.transaction.isRunning, // a writer that lost its lease is refused at the end
    ]);
    const [row] = await this.transaction.inTurn(usageKey(owner), () =>
      this.transaction.query<{ bytes: string; files: string }>(reservation),
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

  /**
   * Ends the lease, in the transaction that makes the bytes permanent. From then on `discard` does nothing, unless that
   * transaction is rolled back. Throws WRITE_LOST when the sweep was faster.
   */
  async claim(storageKey: string): Promise<{ reservedBytes: number }> {
    const [row] = await this.transaction.query<{ reserved_bytes: string }>({
      name: 'storage-leases-claim',
      text: `DELETE FROM storage_leases WHERE storage_key = $1 AND reason = 'WRITE' RETURNING reserved_bytes`,
      values: [storageKey],
    });
    if (!row) throw StorageErrors.WRITE_LOST();
    const held = this.held.release(storageKey);
    this.transaction.onRolledBack(() => void (held && this.held.hold(storageKey, held)));
    return { reservedBytes: Number(row.reserved_bytes) };
  }

  /** Schedules bytes for removal after `ms`, in the caller's transaction. */
  async mark(storageKeys: readonly string[], reason: LeaseReason, ms = 0): Promise<void> {
    if (storageKeys.length > 0) await this.transaction.query(statement('mark', [storageKeys, reason, ms]));
  }

  /**
   * Schedules bytes for removal in the caller's transaction, and removes them after its commit; the caller does not wait. The
   * sweep removes what this cannot.
   */
  async deleteAfterCommit(storageKeys: readonly string[]): Promise<void> {
    await this.mark(storageKeys, 'DELETE');
    const awaited = this.awaited.getStore();
    this.transaction.onCommitted(() => {
      const removal = this.endAll(storageKeys);
      awaited?.push(removal);
      removal.catch(this.logFailure);
    });
  }

  /** Runs `work` in a transaction of its own, then waits until the bytes that it has deleted are removed. */
  async waitingForRemoval<T>(work: () => Promise<T>): Promise<T> {
    const removals: Array<Promise<void>> = [];
    const result = await this.awaited.run(removals, () => this.transaction.run(work));
    await Promise.all(removals);
    return result;
  }

  /** Removes the bytes, then the row, and releases the reserved quota. Idempotent; does nothing to bytes that are in use. */
  end(storageKey: string): Promise<void> {
    return requestContext.exit(() => this.removeBytes(storageKey)); // the request that asked may be cancelled
  }

  /**
   * Removes the bytes of a write that has ended, unless a claim of them was committed, or may have been. Marks them first,
   * because the sweep may have ended the lease before the last bytes were written. The sweep removes what this cannot.
   */
  async discard(storageKey: string): Promise<void> {
    if (!this.held.release(storageKey)) return;
    const remove = async (): Promise<void> => {
      await requestContext.exit(() => this.mark([storageKey], 'DELETE'));
      await this.end(storageKey);
    };
    try {
      await this.ending.run(remove, lineGroup());
    } catch (error) {
      this.logFailure(error); // the caller has a result, or the error that led here
    }
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
    this.held.hold(storageKey, lost);
    this.transaction.onEnd((outcome) => void (outcome !== 'committed' && this.held.release(storageKey))); // no such lease
    return { storageKey, remainingBytes, signal: lost.signal };
  }

  private async endAll(storageKeys: readonly string[]): Promise<void> {
    for (const key of storageKeys) await this.end(key);
  }

  private async renew(keys: readonly string[]): Promise<string[]> {
    const rows = await this.transaction.query<{ storage_key: string }>(statement('renew', [keys, this.settings.lease]));
    return rows.map((row) => row.storage_key);
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
