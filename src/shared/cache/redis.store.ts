// The second cache layer: encrypted values in Redis, shared by all processes, valid while the stamps of their tags are.
import { randomBytes } from 'node:crypto';
import { NONCE_BYTES, type Sealer } from '../libs/sealer.js';
import type { Logger } from '../logging/logger.js';
import type { CacheEntry } from './memory.store.js';
import { RedisUnavailableError, type Redis, type RunScript } from '../redis/redis.js';

/** The value found under a key, and the data needed to store another one there. */
export interface Reading {
  /** Undefined when there is no usable value. */
  found: StoredValue | undefined;
  /** The stamps of the tags before the value is loaded. Null while a tag is changing: nothing can be stored. */
  stamps: string[] | null;
  /** Identifies the stored value; empty when there is none. */
  head: Buffer;
}

interface StoredValue {
  value: unknown;
  tags: string[];
  expiresAt: number;
  cost: number;
  size: number;
}

/** The content of a sealed value in Redis; its nonce is a random prefix that identifies the value. */
export interface Stored extends Omit<StoredValue, 'size'> {
  stamps: string[];
}

const NOTHING = Buffer.alloc(0);
/** Accepts every epoch. */
const ANY_EPOCH: readonly string[] = ['*'];
/** How long one process may load the value of a key while others wait for it. Longer than the time limit of a statement. */
const CLAIM_MS = 8_000;

/**
 * A value contains the stamps that its tags had before it was loaded. A change removes the stamps before its commit, and new
 * ones can only appear after it, so a value loaded before the change never becomes valid again (the leases of Memcached at
 * Facebook, NSDI 2013, by tag instead of by key). The keys of one script share a hash tag.
 *
 * Other clients of this Redis can neither read values nor forge them: each value is sealed for its own key. They can delete
 * values and can restore one of our old values, with its stamps, until it expires. Data that decides access rights is
 * therefore not stored here (CacheOptions.shared).
 */
export class RedisStore {
  private epoch = '';
  /**
   * Null: values may be used. Otherwise none may until the next probe, which keeps the epoch if it is one of these, or begins a
   * new one (empty: always).
   */
  private acceptable: readonly string[] | null = ANY_EPOCH;
  /** The writes of begun changes that Redis has not answered yet. */
  private readonly writes = new Set<Promise<boolean>>();
  private notifyNewEpoch = (): void => undefined;

  /**
   * `maxChangeMs`: after this time the process behind a change counts as dead. `stampMs`: lifetime of a stamp; the end of a stamp only
   * makes values invalid.
   */
  constructor(
    private readonly redis: Redis,
    private readonly maxChangeMs: number,
    private readonly stampMs: number,
    private readonly sealer: Sealer,
    private readonly logger: Logger,
  ) {
    redis.whenReachable((identity, script) => this.synchronize(identity, script));
  }

  /** Calls `listener` when all values of earlier epochs become invalid. */
  onNewEpoch(listener: () => void): void {
    this.notifyNewEpoch = listener;
  }

  /**
   * Changes may be missing in Redis: its values become invalid for all processes, except those of `completeEpochs`. In these none is
   * missing, as other processes know.
   */
  distrust(completeEpochs: Iterable<string>): void {
    this.accept([...completeEpochs]);
    this.redis.probeSoon();
  }

  get isUp(): boolean {
    return this.redis.isUp && this.acceptable === null;
  }

  /** Resolves to the epoch, or to null when a change that this process received before the call may be missing in it. */
  async completeEpoch(): Promise<string | null> {
    await Promise.allSettled(this.writes);
    return this.acceptable ? null : this.epoch;
  }

  /** Reads a value and the stamps of `tags`. Throws RedisUnavailableError. */
  async read(key: string, tags: readonly string[]): Promise<Reading> {
    const [{ bytes, stored }, stamps] = await Promise.all([this.open(key), this.stampsOf(tags)]);
    const usable = stored && stamps?.every((stamp, at) => stamp === stored.stamps[at] && stored.tags[at] === tags[at]);
    return { found: usable ? stored : undefined, stamps, head: bytes.subarray(0, NONCE_BYTES) };
  }

  /** Reads a value by its key alone, with the tags stored in it. Throws RedisUnavailableError. */
  async find(key: string): Promise<StoredValue | undefined> {
    const { stored } = await this.open(key);
    const stamps = stored && (await this.stampsOf(stored.tags));
    return stamps?.every((stamp, at) => stamp === stored?.stamps[at]) ? stored : undefined;
  }

  /** Claims the load of a value. `outdated`: prefix of the stored value that is no longer valid. Throws RedisUnavailableError. */
  async claim(key: string, token: string, outdated: Buffer = Buffer.alloc(0)): Promise<'mine' | 'theirs' | 'there'> {
    return this.redis.script('cache-claim', this.pair(key), [token, CLAIM_MS, outdated]);
  }

  /** Stores the value loaded under our claim. Throws RedisUnavailableError. */
  async fill(key: string, token: string, entry: Stored, ttl: number): Promise<void> {
    await this.redis.script('cache-fill', this.pair(key), [token, this.seal(key, entry), Math.ceil(ttl)]);
  }

  /** Releases a claim without a value. Throws RedisUnavailableError. */
  async release(key: string, token: string): Promise<void> {
    await this.redis.script('delete-if', [this.pair(key)[1] as string], [token]);
  }

  /** Stores a value without a claim. Throws RedisUnavailableError. */
  async set(key: string, entry: Stored, ttl: number): Promise<void> {
    const [name, sealed] = [this.valueKey(key), this.seal(key, entry)];
    await this.redis.run((client) => client.set(name, sealed, 'PX', Math.ceil(ttl)));
  }

  /** Deletes the value and the claim of a running load. Throws RedisUnavailableError. */
  async delete(key: string): Promise<boolean> {
    const names = this.pair(key);
    return (await this.redis.run((client) => client.del(names))) > 0;
  }

  /** Deletes all matching keys (glob) on every master. SCAN does not block other clients as KEYS does. Throws RedisUnavailableError. */
  async deleteWhere(pattern: string): Promise<number> {
    const [values, claims] = this.pair(pattern) as [string, string];
    await this.unlinkAll(claims); // running loads must not store their values any more
    return this.unlinkAll(values);
  }

  /** Returns the number of values. Throws RedisUnavailableError. */
  async size(): Promise<number> {
    const found = new Set<string>(); // SCAN may return a key twice
    for await (const keys of this.redis.scan(this.valueKey('*'))) for (const key of keys) found.add(key);
    return found.size;
  }

  /** Returns how many keys of any client the servers evicted for lack of memory since their start. Throws RedisUnavailableError. */
  async evictions(): Promise<number> {
    const infos = await this.redis.infos('stats');
    return infos.reduce((sum, info) => sum + Number(/^evicted_keys:(\d+)/m.exec(info)?.[1] ?? 0), 0);
  }

  /**
   * Resolves to false when Redis is unreachable. When this process reaches it again, all values in Redis become invalid. Until
   * then other processes may use them, so those must write the change.
   */
  beginChange(tags: readonly string[], id: string): Promise<boolean> {
    const write = this.writeChange(tags, id);
    this.writes.add(write);
    return write.finally(() => this.writes.delete(write));
  }

  /** Never rejects. If Redis is unreachable, the tags become usable again when the change counts as dead. */
  async endChange(tags: readonly string[], id: string): Promise<void> {
    await this.runForTags('cache-end-change', tags, [id]);
  }

  /** Returns the stamps of the tags, or null while one of them is changing. Throws RedisUnavailableError. */
  async stampsOf(tags: readonly string[]): Promise<string[] | null> {
    const fresh = randomBytes(9).toString('base64url');
    const stamps = await Promise.all(
      tags.map((tag) => this.redis.script<string | null>('cache-stamp', this.tagKeys(tag), [fresh, this.stampMs])),
    );
    return stamps.includes(null) ? null : (stamps as string[]);
  }

  private async writeChange(tags: readonly string[], id: string): Promise<boolean> {
    const isWritten = await this.runForTags('cache-begin-change', tags, [id, this.maxChangeMs]);
    if (!isWritten) this.accept([]);
    return isWritten;
  }

  /** A change that this process has missed counts until a new epoch begins, whatever the others know. */
  private accept(epochs: readonly string[]): void {
    this.acceptable = this.acceptable?.length === 0 ? [] : epochs;
  }

  private seal(key: string, entry: Stored): Buffer {
    return this.sealer.seal(this.valueKey(key), JSON.stringify(entry));
  }

  /** Returns the bytes under the key, and their content if this deployment wrote them there. Throws RedisUnavailableError. */
  private async open(key: string): Promise<{ bytes: Buffer; stored?: StoredValue & Stored }> {
    const name = this.valueKey(key);
    const bytes = await this.redis.run((client) => client.getBuffer(name));
    if (bytes === null) return { bytes: NOTHING };
    const text = this.sealer.open(name, bytes);
    if (text !== null) return { bytes, stored: { ...(JSON.parse(text) as Stored), size: text.length * 2 } };
    this.logger.warn({ key }, 'Ignored a value in Redis that was not written with our SESSION_SECRET');
    return { bytes };
  }

  private async unlinkAll(match: string): Promise<number> {
    let removed = 0;
    for await (const keys of this.redis.scan(match)) {
      const unlinked = await Promise.all(keys.map((key) => this.redis.run((client) => client.unlink(key))));
      for (const count of unlinked) removed += count;
    }
    return removed;
  }

  private async runForTags(script: string, tags: readonly string[], args: Array<string | number>): Promise<boolean> {
    try {
      await Promise.all(tags.map((tag) => this.redis.script(script, this.tagKeys(tag), args)));
      return true;
    } catch (error) {
      if (error instanceof RedisUnavailableError) return false;
      throw error;
    }
  }

  /** Runs on every probe. After a server restart or a missed change, earlier values are never read again. */
  private async synchronize(identity: string, script: RunScript): Promise<void> {
    const { acceptable } = this;
    const args = [identity, randomBytes(6).toString('base64url'), ...(acceptable ?? ANY_EPOCH)];
    const epoch = await script<string>('cache-epoch', [`${this.redis.prefix}:epoch`], args);
    if (epoch !== this.epoch) this.notifyNewEpoch();
    this.epoch = epoch;
    if (this.acceptable === acceptable) this.acceptable = null; // otherwise a change was missed meanwhile: the next probe counts
  }

  /** Throws RedisUnavailableError while no value may be used. */
  private valueKey(key: string): string {
    if (!this.isUp) throw new RedisUnavailableError();
    return `${this.redis.prefix}:v:${this.epoch}:{${key}}`;
  }

  /** The keys of the value and of the claim of its load. */
  private pair(key: string): string[] {
    return [this.valueKey(key), `${this.redis.prefix}:l:${this.epoch}:{${key}}`];
  }

  /** The keys of the stamp and of the running changes. */
  private tagKeys(tag: string): string[] {
    return [`${this.redis.prefix}:s:{${tag}}`, `${this.redis.prefix}:c:{${tag}}`];
  }
}

export function storedOf({ value, tags, expiresAt, cost }: CacheEntry, stamps: string[]): Stored {
  return { value, tags: [...tags], expiresAt, cost, stamps };
}
