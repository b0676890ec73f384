// The second layer: values in Redis, sealed, shared by all processes, valid as long as the stamps of their tags are.
import { randomBytes } from 'node:crypto';
import { NONCE_BYTES, type Sealer } from '../libs/sealer.js';
import type { Logger } from '../logging/logger.js';
import type { CacheEntry } from './memory.store.js';
import { RedisAwayError, type Redis, type RunScript } from '../redis/redis.js';

/** What is found under a key, and what has to be known to store something else there. */
export interface Reading {
  /** Undefined: nothing usable. */
  found: StoredValue | undefined;
  /** The tags' stamps before the value is loaded; null while one of them is being changed: nothing can be stored. */
  stamps: string[] | null;
  /** Tells the value that is there from any other; empty when there is none. */
  head: Buffer;
}

interface StoredValue {
  value: unknown;
  tags: string[];
  expiresAt: number;
  cost: number;
  size: number;
}

/** As it lies in Redis, sealed: the nonce is a random head that tells one value from the next. */
export interface Stored extends Omit<StoredValue, 'size'> {
  stamps: string[];
}

const NOTHING = Buffer.alloc(0);
/** Longer than any value is kept. */
const STAMP_MS = 2 * 86_400_000;
/** Longer than a statement may take. */
const LEASE_MS = 8_000;

/**
 * A value carries the stamps that its tags had before it was loaded. A change takes the stamps away before its commit and
 * gives way to new ones after it, so a value that was loaded before can never look valid again (the leases of
 * Memcached at Facebook, NSDI 2013, by tag instead of by key). Keys of one script share a hash tag.
 *
 * Whoever else reads this Redis learns no value, and whoever else writes to it makes none: each is sealed for its own key.
 * What they can do is make us forget, and put a value back that was ours, stamps included, until it expires: what
 * decides rights is therefore not kept here (CacheOptions.shared).
 */
export class RedisStore {
  private epoch = '';
  /** A change could not be told to Redis: what lies there may be old. Also before it was reached for the first time. */
  private missed: boolean;
  private newEpoch = (): void => undefined;

  /** `longestChangeMs`: after that the process behind a change counts as dead. */
  constructor(
    private readonly redis: Redis,
    private readonly longestChangeMs: number,
    private readonly sealer: Sealer,
    private readonly logger: Logger,
  ) {
    this.missed = !redis.isUp;
    redis.whenReachable((identity, script) => this.synchronize(identity, script));
  }

  /** `listener` is called when values of before are not looked at any more. */
  onNewEpoch(listener: () => void): void {
    this.newEpoch = listener;
  }

  /** Forgets everything, for all processes, before anything is read again. */
  mistrust(): void {
    this.missed = true;
    this.epoch = '';
    this.redis.probeSoon();
  }

  get isUp(): boolean {
    return this.redis.isUp && this.epoch !== '';
  }

  /** Throws RedisAwayError. */
  async read(key: string, tags: readonly string[]): Promise<Reading> {
    const [{ bytes, stored }, stamps] = await Promise.all([this.open(key), this.stampsOf(tags)]);
    const usable = stored && stamps?.every((stamp, at) => stamp === stored.stamps[at] && stored.tags[at] === tags[at]);
    return { found: usable ? stored : undefined, stamps, head: bytes.subarray(0, NONCE_BYTES) };
  }

  /** By key alone: its own tags are looked up. Throws RedisAwayError. */
  async find(key: string): Promise<StoredValue | undefined> {
    const { stored } = await this.open(key);
    const stamps = stored && (await this.stampsOf(stored.tags));
    return stamps?.every((stamp, at) => stamp === stored?.stamps[at]) ? stored : undefined;
  }

  /** Asks to be the one who loads; `outdated`: head of the value that is there, if there is one that is not good. Throws RedisAwayError. */
  claim(key: string, token: string, outdated: Buffer = Buffer.alloc(0)): Promise<'mine' | 'theirs' | 'there'> {
    return this.redis.script('cache-claim', this.pair(key), [token, LEASE_MS, outdated]);
  }

  /** Stores what was loaded under our claim. Throws RedisAwayError. */
  async fill(key: string, token: string, entry: Stored, ttl: number): Promise<void> {
    await this.redis.script('cache-fill', this.pair(key), [token, this.seal(key, entry), Math.ceil(ttl)]);
  }

  /** Gives a claim back without a value. Throws RedisAwayError. */
  async release(key: string, token: string): Promise<void> {
    await this.redis.script('delete-if', [this.pair(key)[1] as string], [token]);
  }

  /** Stores without a claim. Throws RedisAwayError. */
  async set(key: string, entry: Stored, ttl: number): Promise<void> {
    await this.redis.run((client) => client.set(this.valueKey(key), this.seal(key, entry), 'PX', Math.ceil(ttl)));
  }

  /** Also takes the claim from whoever loads it. Throws RedisAwayError. */
  async delete(key: string): Promise<boolean> {
    return (await this.redis.run((client) => client.del(this.pair(key)))) > 0;
  }

  /** Every matching key (glob), on every master; SCAN does not stop the others as KEYS does. Throws RedisAwayError. */
  async deleteWhere(pattern: string): Promise<number> {
    const [values, claims] = this.pair(pattern) as [string, string];
    await this.unlinkAll(claims); // who is loading a value may not store it any more
    return this.unlinkAll(values);
  }

  /** How many values there are. Throws RedisAwayError. */
  async size(): Promise<number> {
    const found = new Set<string>(); // SCAN may tell a key twice
    for await (const keys of this.redis.scan(this.valueKey('*'))) for (const key of keys) found.add(key);
    return found.size;
  }

  /** How many keys the servers dropped for want of memory, whoever's, since they were started. Throws RedisAwayError. */
  async evictions(): Promise<number> {
    const infos = await this.redis.infos('stats');
    return infos.reduce((sum, info) => sum + Number(/^evicted_keys:(\d+)/m.exec(info)?.[1] ?? 0), 0);
  }

  /** Never rejects: if Redis can't be told, all that lies there is forgotten once it is back. */
  async beginChange(tags: readonly string[], id: string): Promise<void> {
    this.missed = !(await this.tell('cache-begin-change', tags, [id, this.longestChangeMs])) || this.missed;
  }

  /** Never rejects. Untold, the tags are usable again when the change counts as dead. */
  async endChange(tags: readonly string[], id: string): Promise<void> {
    await this.tell('cache-end-change', tags, [id]);
  }

  /** The tags' stamps, or null while one of them is being changed. Throws RedisAwayError. */
  async stampsOf(tags: readonly string[]): Promise<string[] | null> {
    const fresh = randomBytes(9).toString('base64url');
    const stamps = await Promise.all(
      tags.map((tag) => this.redis.script<string | null>('cache-stamp', this.tagKeys(tag), [fresh, STAMP_MS])),
    );
    return stamps.includes(null) ? null : (stamps as string[]);
  }

  private seal(key: string, entry: Stored): Buffer {
    return this.sealer.seal(this.valueKey(key), JSON.stringify(entry));
  }

  /** What lies under the key, and what it says if this deployment wrote it there. Throws RedisAwayError. */
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

  private async tell(script: string, tags: readonly string[], args: Array<string | number>): Promise<boolean> {
    try {
      await Promise.all(tags.map((tag) => this.redis.script(script, this.tagKeys(tag), args)));
      return true;
    } catch (error) {
      if (error instanceof RedisAwayError) return false;
      throw error;
    }
  }

  /** On every probe. After a restart, or when a change was missed, values of before are not looked at again. */
  private async synchronize(identity: string, script: RunScript): Promise<void> {
    const { missed } = this;
    this.missed = false; // what is missed from here on counts again
    try {
      const args = [identity, randomBytes(6).toString('base64url'), missed ? 1 : 0];
      const epoch = await script<string>('cache-epoch', [`${this.redis.prefix}:epoch`], args);
      if (epoch !== this.epoch) this.newEpoch();
      this.epoch = epoch;
    } catch (error) {
      this.missed ||= missed;
      throw error;
    }
  }

  private valueKey(key: string): string {
    return `${this.redis.prefix}:v:${this.epoch}:{${key}}`;
  }

  /** The value and the lease of whoever loads it. */
  private pair(key: string): string[] {
    return [this.valueKey(key), `${this.redis.prefix}:l:${this.epoch}:{${key}}`];
  }

  /** The stamp and the changes under way. */
  private tagKeys(tag: string): string[] {
    return [`${this.redis.prefix}:s:{${tag}}`, `${this.redis.prefix}:c:{${tag}}`];
  }
}

export function storedOf({ value, tags, expiresAt, cost }: CacheEntry, stamps: string[]): Stored {
  return { value, tags: [...tags], expiresAt, cost, stamps };
}
