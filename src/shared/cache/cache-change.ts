// A change of cache tags, from the announcement before the commit to its end.
import { randomUUID } from 'node:crypto';
import { ChangeTooLateError } from './change-deadline.js';
import type { Outcome, Participant } from '../database/transaction.js';
import type { Coherence } from './coherence.js';
import { MAX_CHANGE_MS, type MemoryStore } from './memory.store.js';
import type { RedisStore } from './redis.store.js';

/** The announcement of a change takes at most a third of the time after which other processes treat the change as dead. */
const MAX_ANNOUNCEMENT_MS = MAX_CHANGE_MS / 3;

export class CacheChange implements Participant {
  /** When the change began, by `performance.now()`. The others count from the announcement, which arrives later. */
  beganAt = 0;
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

  /** Throws ChangeTooLateError. */
  async prepare(): Promise<void> {
    this.beganAt = performance.now();
    await this.announce();
    // The process may have been frozen so long that others soon treat the change as dead; the commit must not come after that.
    if (performance.now() - this.beganAt > MAX_ANNOUNCEMENT_MS) throw new ChangeTooLateError();
  }

  /** After an unknown outcome the commit may still happen: values stay uncached for another MAX_CHANGE_MS, everywhere. */
  finish(outcome: Outcome): void {
    if (this.relay === undefined) return; // never announced
    if (outcome !== 'unknown') return this.end();
    setTimeout(() => this.end(), MAX_CHANGE_MS).unref();
    this.announce().catch(() => undefined); // its failure changes nothing: the change ends by itself
  }

  private async announce(): Promise<void> {
    const tags = [...this.tags];
    this.memory.beginChange(tags, this.id);
    this.relay = this.coherence.lastRelay; // if the announcement fails, any relay may have carried it
    const [relay, isInRedis] = await Promise.all([
      this.coherence.announce(tags, this.id, () => this.shared?.isUp === true),
      this.shared?.beginChange(tags, this.id) ?? true,
    ]);
    this.relay = relay;
    // Over the last relay each process that reaches Redis writes the change there for us.
    if (!isInRedis && relay < this.coherence.lastRelay)
      this.relay = await this.coherence.announce(tags, this.id, () => false);
  }

  private end(): void {
    const tags = [...this.tags];
    this.memory.endChange(tags, this.id);
    void this.shared?.endChange(tags, this.id);
    this.coherence.publishEnd(tags, this.id, this.relay as number);
  }
}
