// Locks of uploads: one request at a time works on an upload, in any process; a newer request asks the older one to stop.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Lock, Locker } from '@tus/server';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { AppError } from '../../shared/libs/app-error.js';
import { LeaseKeeper } from '../../shared/libs/lease-keeper.js';
import { Signals } from '../../shared/pubsub/signals.js';
import { KeyedSemaphore, Semaphore, SemaphoreFullError } from '../../shared/libs/semaphore.js';
import { lineGroup } from '../../shared/logging/request-context.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { UploadErrors } from './uploads.errors.js';

const statement = sqlFiles(import.meta.url, 'upload-locks');

/** Topic of the signal that asks the holder of a lock to stop. Its body is the upload's id. */
const RELEASE = 'upload.release';
/** Lifetime of a lock after its process died: less than the wait of clients before their last attempt. */
const LEASE_MS = 5_000;
const WAIT_MS = 10_000;
const POLL_MS = 200;
/** Requests of one upload that wait in this process behind the one that polls. A client at fault sends more. */
const MAX_WAITING = 20;
/** Requests of this process that poll at once: each costs a statement and a signal every POLL_MS. The others wait for them. */
const MAX_POLLING = 10;

interface Held {
  holder: string;
  /** Asks the request to stop. */
  release: () => unknown;
}

/**
 * Uses rows and not LockService, which takes one PostgreSQL connection per key, because clients hold these locks for hours.
 * Like every lock, it only avoids duplicate work. Correctness comes from the statements: bytes are appended only at the
 * current end of an upload, and a file is added only while its space is still reserved.
 */
@Injectable()
export class UploadLocks implements Locker, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  /** By upload id. */
  private readonly held: LeaseKeeper<Held>;
  private readonly ofUpload = new KeyedSemaphore(1, MAX_WAITING, WAIT_MS);
  private readonly polling = new Semaphore(MAX_POLLING, Infinity, WAIT_MS);

  constructor(
    private readonly transaction: Transaction,
    private readonly signals: Signals,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.held = new LeaseKeeper({
      leaseMs: LEASE_MS,
      renew: (ids) => this.renew(ids),
      onLost: ({ release }) => void release(), // the request stops
      onError: (err) => logger.warn({ err }, 'Failed to renew the locks on uploads'),
    });
    signals.on(RELEASE, (id) => this.held.get(id)?.release());
  }

  onApplicationBootstrap(): void {
    this.held.start();
  }

  /** Stops all requests, so that clients continue in another process. */
  beforeApplicationShutdown(): void {
    for (const { release } of this.held.all()) release();
  }

  onApplicationShutdown(): void {
    this.held.stop();
  }

  newLock(id: string): Lock {
    const holder = randomUUID();
    return {
      lock: (signal, release) => this.wait(id, { holder, release }, signal),
      unlock: () => this.unlock(id, holder),
    };
  }

  /** Runs `work` and returns true; returns false without running it when the upload is locked. */
  async ifFree(id: string, work: () => Promise<void>): Promise<boolean> {
    const holder = randomUUID();
    if (!(await this.claim(id, { holder, release: () => undefined }))) return false;
    await work().finally(() => this.unlock(id, holder));
    return true;
  }

  /** Deletes locks of dead processes that expired more than an hour ago. */
  async sweep(): Promise<void> {
    await this.transaction.query({
      name: 'upload-locks-sweep',
      text: `DELETE FROM upload_locks WHERE expires_at < now() - interval '1 hour'`,
    });
  }

  /** Waits for the lock. Throws LOCKED after WAIT_MS, when too many wait, or when `signal` aborts. */
  private async wait(id: string, held: Held, signal: AbortSignal): Promise<void> {
    if (await this.claim(id, held)) return;
    const giveUpAt = performance.now() + WAIT_MS;
    const locked = (): AppError => UploadErrors.LOCKED().withHeader('Retry-After', '1');
    const poll = async (): Promise<void> => {
      while (!(await this.claim(id, held))) {
        if (signal.aborted || performance.now() > giveUpAt) throw locked();
        await this.signals.send(RELEASE, id); // repeated, because a signal may get lost
        await delay(POLL_MS);
      }
    };
    try {
      await this.ofUpload.run(id, () => this.polling.run(poll, lineGroup()));
    } catch (error) {
      throw error instanceof SemaphoreFullError ? locked() : error;
    }
  }

  private async claim(id: string, held: Held): Promise<boolean> {
    const rows = await this.transaction.query(statement('lock', [id, held.holder, LEASE_MS]));
    if (rows.length === 0) return false;
    this.held.hold(id, held);
    return true;
  }

  /** Logs a failed release instead of throwing: the lock expires by itself, and the work itself has not failed. */
  private async unlock(id: string, holder: string): Promise<void> {
    if (this.held.get(id)?.holder === holder) this.held.release(id);
    await this.transaction
      .query({
        name: 'upload-locks-unlock',
        text: 'DELETE FROM upload_locks WHERE upload_id = $1 AND holder = $2',
        values: [id, holder],
      })
      .catch((error: unknown) => this.logger.warn({ err: error }, 'Failed to release the lock on an upload'));
  }

  /** Returns the uploads whose lock this process still has. */
  private async renew(ids: readonly string[]): Promise<string[]> {
    const holders = ids.map((id) => this.held.get(id)?.holder);
    const rows = await this.transaction.query<{ upload_id: string }>({
      name: 'upload-locks-renew',
      text: `
        UPDATE upload_locks SET expires_at = now() + $2::integer * interval '1 ms'
        WHERE holder = ANY ($1::uuid[]) RETURNING upload_id`,
      values: [holders, LEASE_MS],
    });
    return rows.map((row) => row.upload_id);
  }
}
