// A change of cache tags, from the announcement before the commit to its end.
import { randomUUID } from 'node:crypto';
import type { Outcome, Participant } from '../database/transaction.js';
import type { Coherence } from './coherence.js';
import { MAX_CHANGE_MS, type MemoryStore } from './memory.store.js';
import type { RedisStore } from './redis.store.js';

/** A third of the time after which other processes treat a change as dead. */
const LATEST_MS = MAX_CHANGE_MS / 3;

/** Nothing was changed; the caller may retry. */
export class ChangeTooLateError extends Error {}

export class CacheChange implements Participant {
  private readonly id = randomUUID();
  private readonly tags = new Set<string>();
  private relay: number | undefined;

  constructor(
    private readonly memory: MemoryStore,
    private readonly shared: RedisStore | null,
    private readonly coherence: Coherence,
  ) {}

  add(tags: readonly string[]): void {
    for (const tag of tags) this.tags.add(tag);
  }

  async prepare(): Promise<void> {
    const tags = [...this.tags];
    const began = performance.now();
    this.memory.beginChange(tags, this.id);
    [this.relay] = await Promise.all([
      this.coherence.announce(tags, this.id, () => this.shared?.isUp === true),
      this.shared?.beginChange(tags, this.id),
    ]);
    // The process may have been frozen so long that others soon treat it as dead; the change must not happen after that.
    if (performance.now() - began > LATEST_MS)
      throw new ChangeTooLateError('The announcement of a change took too long.');
  }

  /** After an unknown outcome the commit may still happen: values stay uncached until it no longer can. */
  finish(outcome: Outcome): void {
    if (this.relay === undefined) return;
    if (outcome === 'unknown') setTimeout(() => this.end(), MAX_CHANGE_MS).unref();
    else this.end();
  }

  private end(): void {
    const tags = [...this.tags];
    this.memory.endChange(tags, this.id);
    void this.shared?.endChange(tags, this.id);
    this.coherence.publishEnd(tags, this.id, this.relay as number);
  }
}
