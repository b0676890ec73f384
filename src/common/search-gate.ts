// Bounds how many searches through text run at once: one of each user, and so many of a process.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../shared/config/app-config.js';
import { Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { HttpErrors } from './http/http.errors.js';
import type { Actor } from './access/permissions.js';

/** Of one user: somebody who types gets an answer to the last letters, and who floods is refused. */
const MAX_WAITING = 4;
const MAX_WAIT_MS = 5_000;

interface Line {
  semaphore: Semaphore;
  /** Searches that run or wait. */
  searches: number;
}

@Injectable()
export class SearchGate {
  private readonly lines = new Map<string, Line>();
  private readonly all: Semaphore;

  constructor({ database }: AppConfig) {
    // The other half of the connections stays for everybody else.
    this.all = new Semaphore(Math.max(1, Math.floor(database.poolSize / 2)), Infinity, MAX_WAIT_MS);
  }

  /** Throws SEARCH_BUSY. */
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
