// The checkpoint of the audit log: a file outside the database, which reveals what no seal can.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AuditSettings } from '../audit.settings.js';

export interface Checkpoint {
  logId: string;
  /** Last sealed position, and the hash of its seal in hexadecimal. */
  last: string;
  hash: string;
  /** Public keys that have signed seals of this log (base64, SPKI): those before a change of SESSION_SECRET, too. */
  publicKeys: string[];
  /** The last sealed position at the first checkpoint of each day (UTC), like `2026-11-28`. */
  days: Record<string, string>;
}

@Injectable()
export class CheckpointFile {
  constructor(private readonly settings: AuditSettings) {}

  /** Named by the database, as the settings of the server name it: what is stored in the database cannot lead to another file. */
  pathOf(database: string): string {
    return join(this.settings.checkpointDir, `${encodeURIComponent(database)}.json`);
  }

  /** Returns null when there is none. Throws when it cannot be read. */
  async read(database: string): Promise<Checkpoint | null> {
    try {
      return JSON.parse(await readFile(this.pathOf(database), 'utf8')) as Checkpoint;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  /** A crash leaves the old or the new file. */
  async write(database: string, checkpoint: Checkpoint): Promise<void> {
    const path = this.pathOf(database);
    const temporary = `${path}.${process.pid}`;
    await mkdir(this.settings.checkpointDir, { recursive: true, mode: 0o700 });
    await writeFile(temporary, `${JSON.stringify(checkpoint, null, 2)}\n`, { mode: 0o600 });
    await rename(temporary, path);
  }

  /** Adds today, unless it is there, and drops the days that no cleanup needs any more. `now`: milliseconds since 1970. */
  withToday(days: Checkpoint['days'], now: number, last: string): Checkpoint['days'] {
    const oldest = dayOf(now - (this.settings.retentionDays + 2) * DAY_MS);
    const kept = Object.entries(days).filter(([day]) => day >= oldest);
    return { [dayOf(now)]: last, ...Object.fromEntries(kept) };
  }

  /** For a database whose audit log was deleted on purpose. */
  async remove(database: string): Promise<void> {
    await rm(this.pathOf(database), { force: true });
  }
}

/** Returns the last position that can have been sealed before `time` (milliseconds since 1970); null: unknown. */
export function sealedBefore({ days }: Checkpoint, time: number): string | null {
  const later = Object.keys(days).filter((day) => day > dayOf(time));
  return days[later.sort()[0] ?? ''] ?? null;
}

const DAY_MS = 86_400_000;

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
