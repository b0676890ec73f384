// Limits concurrent searches, which are lists whose filter may read many rows: one per user, and a maximum per process.
import { Injectable } from '@nestjs/common';
import { DatabaseSettings } from '../shared/database/database.settings.js';
import { KeyedSemaphore, Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { HttpErrors } from './http/http.errors.js';
import type { Actor } from './access/permissions.js';

/** Waiting searches per user: enough for a search after each typed letter, while a flood is refused. */
const MAX_WAITING = 4;
const MAX_WAIT_MS = 5_000;

/**
 * Controllers call it. An interceptor that finds the filters itself would cost every list, also without a filter;
 * test/e2e/search-filters.spec.ts walks all lists, so that none forgets the call.
 */
@Injectable()
export class SearchGate {
  private readonly ofUser = new KeyedSemaphore(1, MAX_WAITING, MAX_WAIT_MS);
  private readonly all: Semaphore;

  constructor({ poolSize }: DatabaseSettings) {
    // The other half of the connections stays free for other requests.
    this.all = new Semaphore(Math.max(1, Math.floor(poolSize / 2)), Infinity, MAX_WAIT_MS);
  }

  /** Runs `list`, as a search when the query has one of the filters. Throws SEARCH_BUSY when too many searches wait. */
  async run<T, Q extends object>(
    { id }: Actor,
    query: Q,
    filters: ReadonlyArray<keyof Q>,
    list: () => Promise<T>,
  ): Promise<T> {
    if (filters.every((filter) => query[filter] === undefined)) return list();
    try {
      return await this.ofUser.run(id, () => this.all.run(list));
    } catch (error) {
      throw error instanceof SemaphoreFullError ? HttpErrors.SEARCH_BUSY().withHeader('Retry-After', '1') : error;
    }
  }
}
