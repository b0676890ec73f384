// Reads the event log of an owner behind a cursor: no hole, no event twice.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../database/transaction.js';
import { sqlFiles } from '../database/sql-file.js';

export interface LoggedEvent {
  /** `<epoch>.<sequence>`: the place behind this event. */
  cursor: string;
  at: Date;
  name: string;
  subjectId: string | null;
  actorId: string | null;
  data: unknown;
}

interface Row extends Omit<LoggedEvent, 'cursor'> {
  epoch: string;
  head: string;
  /** Null: there is no event behind the cursor; the members of the event are null, too. */
  sequence: string | null;
}

/** `GAP`: the log cannot continue at this cursor (unknown epoch, trimmed, ahead of the log). The state must be read anew. */
export type EventPage = { events: LoggedEvent[]; cursor: string } | 'GAP';

const CURSOR = /^([0-9a-f]{12})\.(0|[1-9]\d{0,17})$/;

/**
 * Returns a negative number when `one` is the earlier cursor, zero when both are equal, a positive number when it is the later one;
 * null when they cannot be compared: of two epochs, or no cursors.
 */
export function compareCursors(one: string, other: string): number | null {
  const [, epoch, sequence = ''] = CURSOR.exec(one) ?? [];
  const [, otherEpoch, otherSequence = ''] = CURSOR.exec(other) ?? [];
  if (epoch === undefined || epoch !== otherEpoch) return null;
  return Number(BigInt(sequence) - BigInt(otherSequence));
}

@Injectable()
export class EventLog {
  private readonly statement = sqlFiles(import.meta.url, 'event-log');

  constructor(private readonly transaction: Transaction) {}

  /** Returns the cursor behind the newest event of the owner. `ownerKey`: internal key. */
  async head(ownerKey: string): Promise<string> {
    const [row] = await this.read(ownerKey, '0', 0);
    return `${row.epoch}.${row.head}`;
  }

  /** Returns at most `limit` events behind the cursor, and the cursor to continue with. */
  async after(ownerKey: string, cursor: string, limit: number): Promise<EventPage> {
    const [, epoch, sequence] = CURSOR.exec(cursor) ?? [];
    if (epoch === undefined || sequence === undefined) return 'GAP';
    const rows = await this.read(ownerKey, sequence, limit);
    const [first] = rows;
    if (first.epoch !== epoch || BigInt(sequence) > BigInt(first.head)) return 'GAP';
    if (first.sequence === null) return sequence === first.head ? { events: [], cursor } : 'GAP';
    if (BigInt(first.sequence) !== BigInt(sequence) + 1n) return 'GAP'; // the events between were trimmed
    const events = rows.map(({ sequence: number, at, name, subjectId, actorId, data }) => {
      return { cursor: `${epoch}.${number}`, at, name, subjectId, actorId, data };
    });
    return { events, cursor: events.at(-1)?.cursor ?? cursor };
  }

  /** Returns the owners whose log does not end at the cursor given for them. */
  async changed(cursors: ReadonlyMap<string, string>): Promise<string[]> {
    const statement = this.statement('changed', [[...cursors.keys()], [...cursors.values()]]);
    return (await this.transaction.read<{ ownerId: string }>(statement)).map(({ ownerId }) => ownerId);
  }

  private async read(ownerKey: string, sequence: string, limit: number): Promise<[Row, ...Row[]]> {
    const statement = this.statement('read', [ownerKey, sequence, limit]);
    return (await this.transaction.read<Row & Record<string, unknown>>(statement)) as unknown as [Row, ...Row[]];
  }
}
