// Limits concurrent text searches: one per user, and a maximum per process.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../shared/config/app-config.js';
import { Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { HttpErrors } from './http/http.errors.js';
import type { Actor } from './access/permissions.js';

/** Waiting searches per user: enough for a search after each typed letter, while a flood is refused. */
const MAX_WAITING = 4;
const MAX_WAIT_MS = 5_000;

interface Line {
  semaphore: Semaphore;
  /** The number of running and waiting searches. */
  searches: number;
}

@Injectable()
export class SearchGate {
  private readonly lines = new Map<string, Line>();
  private readonly all: Semaphore;

  constructor({ database }: AppConfig) {
    // The other half of the connections stays free for other requests.
    this.all = new Semaphore(Math.max(1, Math.floor(database.poolSize / 2)), Infinity, MAX_WAIT_MS);
  }

  /** Runs a search. Throws SEARCH_BUSY when too many wait. */
  async run<T>({ id }: Actor, search: () => Promise<T>): Promise<T> {
    const line = this.lineOf(id);
    line.searches++;
    try {
      return await line.semaphore.run(() => this.all.run(search));
    } catch (error) {
      throw error instanceof SemaphoreFullError ? HttpErrors.SEARCH_BUSY().withHeader('Retry-After', '1') : error;
    } finally {
      if (--line.searches === 0) this.lines.delete(id);
    }
  }

  private lineOf(id: string): Line {
    let line = this.lines.get(id);
    if (!line) this.lines.set(id, (line = { semaphore: new Semaphore(1, MAX_WAITING, MAX_WAIT_MS), searches: 0 }));
    return line;
  }
}
