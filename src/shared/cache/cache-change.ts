// A change of some tags, from its announcement before the commit to its end.
import { randomUUID } from 'node:crypto';
import type { Outcome, Participant } from '../database/transaction.js';
import type { Coherence } from './coherence.js';
import { LONGEST_CHANGE_MS, type MemoryStore } from './memory.store.js';
import type { RedisStore } from './redis.store.js';

/** A third of what the others wait for. */
const LATEST_MS = LONGEST_CHANGE_MS / 3;

/** Nothing was changed; it may be tried again. */
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
    // Frozen meanwhile, for so long that the others might soon take us for dead: the change must not happen after that.
    if (performance.now() - began > LATEST_MS)
      throw new ChangeTooLateError('The announcement of a change took too long.');
  }

  /** Nobody knows whether an unknown outcome is still to come: nothing is kept until it can't. */
  finish(outcome: Outcome): void {
    if (this.relay === undefined) return;
    if (outcome === 'unknown') setTimeout(() => this.end(), LONGEST_CHANGE_MS).unref();
    else this.end();
  }

  private end(): void {
    const tags = [...this.tags];
    this.memory.endChange(tags, this.id);
    void this.shared?.endChange(tags, this.id);
    this.coherence.conclude(tags, this.id, this.relay as number);
  }
}
