// Seals the new entries of the audit log every second, and keeps the newest checkpoint outside the database.
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Lifecycle } from '../../shared/lifecycle/lifecycle.js';
import { Clock } from '../../shared/libs/clock.js';
import { repeat, type StopRepeating } from '../../shared/libs/repeat.js';
import { Transaction } from '../../shared/database/transaction.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { SecuritySettings } from '../../shared/security/security.settings.js';
import { AuditSealsRepository, type LogState } from './audit-seals.repository.js';
import { type Checkpoint, CheckpointFile } from './checkpoint-file.js';
import { HASH_BYTES, leafHash, treeHash } from './merkle.js';
import { hashOf, NO_LEAF, type Seal, SealKey } from './seal.js';

const INTERVAL_MS = 1_000;
/** Maximum entries of a seal. */
const MAX_ENTRIES = 5_000;
/** Entries that wait longer than this for a seal are an error: a session may hold the lock. */
const MAX_WAIT_MS = 10_000;

const FAILED = 'Failed to seal the audit log; the next run tries again';
const STUCK = 'The audit log has not been sealed for 10 s: a session may hold its lock (audit:seal)';
const LACKS_CHECKPOINT =
  'The audit log does not contain the seal of its checkpoint: entries were removed, or a backup was restored. Run audit:verify';

/** Every process runs one; an advisory lock lets one of them seal at a time. ADR 026 states what the seals reveal. */
@Injectable()
export class AuditSealer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly key: SealKey;
  private stop: StopRepeating | undefined;
  /** Last sealed position of the checkpoint that this process has written. */
  private checkpointedTo: string | undefined;
  private waitingSince: number | undefined;
  /** Faults that were reported and are not over. */
  private readonly reported = new Set<string>();

  constructor(
    private readonly repository: AuditSealsRepository,
    private readonly checkpoints: CheckpointFile,
    private readonly transaction: Transaction,
    private readonly clock: Clock,
    private readonly lifecycle: Lifecycle,
    secrets: SecuritySettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.key = new SealKey(secrets.sessionSecret);
  }

  onApplicationBootstrap(): void {
    this.stop = repeat(
      INTERVAL_MS,
      () => this.run(),
      (error) => this.report(FAILED, { err: error }),
    );
  }

  /** Seals once more, so that the entries of a stopped service are sealed. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stop?.();
    await this.run().catch(() => undefined); // the next start seals them
  }

  private async run(): Promise<void> {
    if (this.lifecycle.state === 'starting') return; // a command seals nothing
    const before = await this.repository.state();
    if (BigInt(before.position) > BigInt(before.sealed)) await this.transaction.run(() => this.seal());
    const after = await this.repository.state();
    this.expectProgress(before, after);
    await this.keepCheckpoint(after);
    this.reported.delete(FAILED);
  }

  private expectProgress(before: LogState, after: LogState): void {
    const isWaiting = BigInt(before.position) > BigInt(before.sealed) && after.sealed === before.sealed;
    if (!isWaiting) this.waitingSince = undefined;
    else this.waitingSince ??= performance.now();
    if (this.waitingSince === undefined || performance.now() - this.waitingSince < MAX_WAIT_MS)
      return void this.reported.delete(STUCK);
    this.report(STUCK, { entries: after.sealed });
  }

  private async seal(): Promise<void> {
    if (!(await this.repository.lock())) return;
    const { logId, position, sealed } = await this.repository.state(); // under the lock
    const before = await this.repository.sealEndingAt(sealed);
    const first = BigInt(sealed) + 1n;
    const end = BigInt(position) < first + BigInt(MAX_ENTRIES) ? BigInt(position) : first + BigInt(MAX_ENTRIES) - 1n;
    if (end < first) return;
    const hashes = new Map<string, Buffer>();
    for (const entry of await this.repository.entries(String(first), String(end), MAX_ENTRIES))
      hashes.set(entry.position, leafHash(entry.text));
    const leaves: Buffer[] = [];
    for (let at = first; at <= end; at++) leaves.push(hashes.get(String(at)) ?? NO_LEAF); // removed before it was sealed
    const seal = {
      ...{ first: String(first), last: String(end) },
      ...{ leaves: Buffer.concat(leaves), root: treeHash(leaves) },
      previous: before ? hashOf(logId, before) : Buffer.alloc(HASH_BYTES),
      sealedAt: new Date(this.clock.now()),
    };
    await this.repository.insert(this.key.sign(logId, seal));
  }

  /** Each process does this, whichever has sealed, so that every checkpoint directory has the newest one. */
  private async keepCheckpoint({ database, logId, sealed }: LogState): Promise<void> {
    if (sealed === this.checkpointedTo) return;
    const newest = await this.repository.sealEndingAt(sealed);
    if (!newest && sealed !== '0') return; // a newer one is there already
    const known = await this.checkpoints.read(database);
    if (known && !(await this.continues(known, logId, newest))) {
      const checkpoint = this.checkpoints.pathOf(database);
      return this.report(LACKS_CHECKPOINT, { checkpoint, entries: known.last });
    }
    this.reported.delete(LACKS_CHECKPOINT);
    if (!newest) return;
    const publicKeys = [...new Set([...(known?.publicKeys ?? []), this.key.publicKey])];
    const hash = hashOf(logId, newest).toString('hex');
    const days = this.checkpoints.withToday(known?.days ?? {}, this.clock.now(), newest.last);
    await this.checkpoints.write(database, { logId, last: newest.last, hash, publicKeys, days });
    this.checkpointedTo = sealed;
  }

  /** True when the log contains the checkpoint, or has removed its entries because of their age. */
  private async continues(known: Checkpoint, logId: string, newest: Seal | null): Promise<boolean> {
    if (known.logId !== logId || !newest || BigInt(known.last) > BigInt(newest.last)) return false;
    const seal = await this.repository.sealEndingAt(known.last);
    if (seal) return hashOf(logId, seal).toString('hex') === known.hash;
    const first = await this.repository.firstSealed();
    return first !== null && BigInt(known.last) < BigInt(first);
  }

  /** Writes one line, until the fault is over. */
  private report(fault: string, details: object): void {
    if (!this.reported.has(fault)) this.logger.error(details, fault);
    this.reported.add(fault);
  }
}
