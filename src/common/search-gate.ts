// Limits concurrent text searches: one per user, and a maximum per process.
import { Injectable } from '@nestjs/common';
import { DatabaseSettings } from '../shared/database/database.settings.js';
import { KeyedSemaphore, Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { HttpErrors } from './http/http.errors.js';
import type { Actor } from './access/permissions.js';

/** Waiting searches per user: enough for a search after each typed letter, while a flood is refused. */
const MAX_WAITING = 4;
const MAX_WAIT_MS = 5_000;

@Injectable()
export class SearchGate {
  private readonly ofUser = new KeyedSemaphore(1, MAX_WAITING, MAX_WAIT_MS);
  private readonly all: Semaphore;

  constructor({ poolSize }: DatabaseSettings) {
    // The other half of the connections stays free for other requests.
    this.all = new Semaphore(Math.max(1, Math.floor(poolSize / 2)), Infinity, MAX_WAIT_MS);
  }

  /** Runs a search. Throws SEARCH_BUSY when too many wait. */
  async run<T>({ id }: Actor, search: () => Promise<T>): Promise<T> {
    try {
      return await this.ofUser.run(id, () => this.all.run(search));
    } catch (error) {
      throw error instanceof SemaphoreFullError ? HttpErrors.SEARCH_BUSY().withHeader('Retry-After', '1') : error;
    }
  }
}
