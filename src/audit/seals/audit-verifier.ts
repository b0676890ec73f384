// Verifies the audit log against its seals and its checkpoint: names each entry that was changed, removed or added.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import { EventSequencer } from '../../shared/events/event-sequencer.js';
import { SecuritySettings } from '../../shared/security/security.settings.js';
import { AuditSettings } from '../audit.settings.js';
import { LogPurged } from '../audit.events.js';
import { AuditSealsRepository } from './audit-seals.repository.js';
import { type Checkpoint, CheckpointFile, sealedBefore } from './checkpoint-file.js';
import { leafHash } from './merkle.js';
import { hashOf, isGenuine, leavesOf, type Seal, SealKey } from './seal.js';

/** The state of the log in the database. */
interface Findings {
  /** Positions of the sealed entries; null: there are none. */
  sealed: { first: string; last: string } | null;
  /** Number of entries that are not sealed yet. */
  unsealed: number;
  /** One sentence each, about `MAX_FAULTS` at most. */
  faults: string[];
}

export interface Verification extends Findings {
  /** Path of the checkpoint. */
  checkpoint: string;
  hasCheckpoint: boolean;
}

const MAX_FAULTS = 100;
const SEALS_AT_ONCE = 50;
/** Entries that are read beyond those of a seal, in case positions occur twice. */
const MAX_DOUBLES = 100;
const MAX_UNSEALED_MS = 60_000;
const DAY_MS = 86_400_000;

@Injectable()
export class AuditVerifier {
  private readonly ownKey: SealKey;

  constructor(
    private readonly repository: AuditSealsRepository,
    private readonly checkpoints: CheckpointFile,
    private readonly sequencer: EventSequencer,
    private readonly transaction: Transaction,
    private readonly settings: AuditSettings,
    secrets: SecuritySettings,
  ) {
    this.ownKey = new SealKey(secrets.sessionSecret);
  }

  async verify(): Promise<Verification> {
    await this.sequencer.catchUp(); // the entry about a cleanup may still wait
    const { database, logId } = await this.repository.state();
    const checkpoint = await this.checkpoints.read(database); // before the snapshot, so that it is never newer than the log
    const found = await this.transaction.run(async () => {
      await this.repository.useOneSnapshot();
      return this.compare(logId, checkpoint);
    });
    return { ...found, checkpoint: this.checkpoints.pathOf(database), hasCheckpoint: checkpoint !== null };
  }

  private async compare(logId: string, found: Checkpoint | null): Promise<Findings> {
    const faults = new Faults();
    const checkpoint = found?.logId === logId ? found : null;
    if (found && !checkpoint) faults.add('The log was replaced: its id is not the one of the checkpoint.');
    const publicKeys = [this.ownKey.publicKey, ...(checkpoint?.publicKeys ?? [])];

    let first: string | null = null;
    let last = '0';
    let before: Seal | null = null;
    let ofCheckpoint: Seal | null = null;
    for (;;) {
      const seals = await this.repository.seals(last, SEALS_AT_ONCE);
      for (const seal of seals) {
        if (first === null) await this.expectBegin(seal, checkpoint, faults);
        first ??= seal.first;
        expectNext(logId, before, seal, faults);
        if (isGenuine(logId, seal, publicKeys)) await this.expectEntries(seal, faults);
        else faults.add(`The seal of ${range(seal.first, seal.last)} was changed, or another key has signed it.`);
        if (seal.last === checkpoint?.last) ofCheckpoint = seal;
        before = seal;
        last = seal.last;
      }
      if (seals.length < SEALS_AT_ONCE || faults.isFull) break;
    }
    if (checkpoint && !faults.isFull) expectCheckpoint(checkpoint, ofCheckpoint, first, last, faults);
    const { position } = await this.repository.state();
    const unsealed = Math.max(0, Number(BigInt(position) - BigInt(last)));
    const surplus = (await this.repository.countOutside(first ?? '1', last)) - unsealed;
    const age = unsealed > 0 ? await this.repository.ageBehind(last) : 0;
    if (age > MAX_UNSEALED_MS)
      faults.add(
        `Entries after ${last} are not sealed, the oldest for ${Math.round(age / 60_000)} min: start a server.`,
      );
    if (surplus > 0) faults.add(`${count(surplus)} added outside the sealed ones.`);
    if (surplus < 0) faults.add(`${count(-surplus)} removed before being sealed.`);
    return {
      sealed: first === null ? null : { first, last },
      unsealed,
      faults: faults.all,
    };
  }

  /** The log begins at 1, or behind the entries that the last cleanup has removed; these were old enough. */
  private async expectBegin({ first }: Seal, checkpoint: Checkpoint | null, faults: Faults): Promise<void> {
    const purge = await this.repository.lastPurge(LogPurged.name);
    const begin = BigInt(purge?.through ?? 0) + 1n;
    if (BigInt(first) > begin)
      faults.add(`${range(String(begin), String(BigInt(first) - 1n))} and their seals were removed.`);
    if (BigInt(first) < begin) faults.add(`${range(first, String(begin - 1n))} were removed by a cleanup, and added.`);
    const { retentionDays } = this.settings;
    const oldest = purge && checkpoint && sealedBefore(checkpoint, purge.at.getTime() - retentionDays * DAY_MS);
    if (oldest && BigInt(purge.through) > BigInt(oldest))
      faults.add(
        `Entries after ${oldest} were removed as if by a cleanup, before they were ${retentionDays} days old.`,
      );
  }

  private async expectEntries(seal: Seal, faults: Faults): Promise<void> {
    const leaves = leavesOf(seal);
    const missing = new Set(leaves.keys());
    const entries = await this.repository.entries(seal.first, seal.last, leaves.length + MAX_DOUBLES);
    for (const { position, text } of entries) {
      const place = Number(BigInt(position) - BigInt(seal.first));
      const isSealed = leaves[place]?.equals(leafHash(text)) === true;
      if (isSealed && missing.delete(place)) continue;
      const isOther = entries.some((other) => other.position === position && other.text !== text);
      faults.add(`Entry ${position} was ${isOther || !missing.has(place) ? 'added' : 'changed'}.`);
      if (!isOther) missing.delete(place);
    }
    for (const place of missing) faults.add(`Entry ${BigInt(seal.first) + BigInt(place)} was removed.`);
  }
}

/** Returns the lines that a command prints. */
export function describeVerification({ sealed, unsealed, checkpoint, hasCheckpoint, faults }: Verification): string {
  const lines = [
    sealed ? `Entries ${sealed.first} to ${sealed.last} are sealed.` : 'No entry is sealed yet.',
    ...(unsealed > 0 ? [`${unsealed} are not sealed yet: a running server seals them within a second.`] : []),
    hasCheckpoint
      ? `Checkpoint: ${checkpoint}`
      : `${checkpoint} is missing. Run this where the server runs, or copy the file: without it, a cut end is not found.`,
    ...faults,
    faults.length === 0
      ? 'Nothing was changed, removed or added.'
      : `Faults: ${faults.length}. The log was tampered with.`,
  ];
  return lines.join('\n');
}

/** Seals follow each other without a gap, each with the hash of the one before it. */
function expectNext(logId: string, before: Seal | null, seal: Seal, faults: Faults): void {
  if (!before) return;
  const expected = BigInt(before.last) + 1n;
  if (BigInt(seal.first) > expected)
    faults.add(`The seals of ${range(String(expected), String(BigInt(seal.first) - 1n))} were removed.`);
  else if (BigInt(seal.first) < expected || !hashOf(logId, before).equals(seal.previous))
    faults.add(`The seal of ${range(before.first, before.last)} was replaced.`);
}

/** The log contains the seal of its checkpoint, unless a cleanup has removed it. */
function expectCheckpoint(
  checkpoint: Checkpoint,
  seal: Seal | null,
  first: string | null,
  last: string,
  faults: Faults,
): void {
  if (seal) {
    if (hashOf(checkpoint.logId, seal).toString('hex') !== checkpoint.hash)
      faults.add(`The entries up to ${checkpoint.last} were replaced: their seal is not the one of the checkpoint.`);
  } else if (BigInt(checkpoint.last) > BigInt(last)) {
    faults.add(
      `The end was cut off: the log is sealed up to entry ${last}, and was sealed up to entry ${checkpoint.last} at its checkpoint.`,
    );
  } else if (first !== null && BigInt(checkpoint.last) >= BigInt(first)) {
    faults.add(`The seal that ends at entry ${checkpoint.last}, the one of the checkpoint, was replaced.`);
  }
}

function range(first: string, last: string): string {
  return first === last ? `entry ${first}` : `entries ${first} to ${last}`;
}

function count(entries: number): string {
  return entries === 1 ? '1 entry was' : `${entries} entries were`;
}

class Faults {
  readonly all: string[] = [];

  get isFull(): boolean {
    return this.all.length >= MAX_FAULTS;
  }

  add(fault: string): void {
    if (this.all.length === MAX_FAULTS) this.all.push('There are more faults.');
    if (!this.isFull) this.all.push(fault.charAt(0).toUpperCase() + fault.slice(1));
  }
}
