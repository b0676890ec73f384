// Limits concurrent searches, which are lists whose filter may read many rows: one per user, and a maximum per process.
import { Injectable } from '@nestjs/common';
import { DatabaseSettings } from '../shared/database/database.settings.js';
import { KeyedSemaphore, Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { HttpErrors } from './http/http.errors.js';
import { lineGroup } from '../shared/logging/request-context.js';
import type { Actor } from './access/permissions.js';

/** Waiting searches per user: enough for a search after each typed letter, while a flood is refused. */
const MAX_WAITING = 4;
const MAX_WAIT_MS = 5_000;
/** A search up to this time is free of a pause. */
const FREE_MS = 500;
/**
 * A pause follows a longer search: PAUSE_FACTOR times the time that the search took beyond FREE_MS. So no user holds a connection
 * all the time.
 */
const PAUSE_FACTOR = 4;

/**
 * Controllers call it. An interceptor that finds the filters itself would take time in every list request, also in those without
 * a filter. test/e2e/search-filters.spec.ts checks all lists, so no controller can forget the call.
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
      return await this.runOne(id, list);
    } catch (error) {
      throw error instanceof SemaphoreFullError ? HttpErrors.SEARCH_BUSY().withHeader('Retry-After', '1') : error;
    }
  }

  /** The user's next search waits for the pause, the result of this one does not. */
  private runOne<T>(userId: string, list: () => Promise<T>): Promise<T> {
    const network = lineGroup(); // one machine may open many accounts, so networks take turns, too
    return new Promise((resolve, reject) => {
      const search = async (): Promise<void> => {
        let took = 0;
        const result = this.all.run(async () => {
          const began = performance.now();
          return list().finally(() => (took = performance.now() - began));
        }, network);
        result.then(resolve, reject);
        await result.catch(() => undefined);
        if (took > FREE_MS) await pause((took - FREE_MS) * PAUSE_FACTOR);
      };
      this.ofUser.run(userId, search).catch(reject);
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
