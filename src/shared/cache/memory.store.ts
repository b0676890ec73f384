// The first layer: an LRU in the process, bounded by entries and bytes, and what may not be kept in it at the moment.
import { LRUCache } from 'lru-cache';

export interface CacheEntry {
  readonly value: unknown;
  readonly tags: readonly string[];
  /** Milliseconds since 1970, as Clock has them. */
  readonly expiresAt: number;
  /** How long the value took to load, milliseconds: what is dear is refreshed earlier. */
  readonly cost: number;
  /** Bytes, roughly. */
  readonly size: number;
}

/** A read on its way to the cache. Once it is overtaken by a change of one of its tags, its value may not be kept. */
export class Loading {
  overtaken = false;

  constructor(
    readonly key: string,
    readonly tags: readonly string[],
  ) {}
}

/** Of a change whose end was never told: its process died. Longer than any transaction can last. */
export const LONGEST_CHANGE_MS = 15_000;

export class MemoryStore {
  /** How many entries had to go since the start, because there was no room for them. */
  evictions = 0;
  private readonly entries: LRUCache<string, CacheEntry>;
  private readonly keysOf = new Map<string, Set<string>>();
  private readonly loadings = new Set<Loading>();
  private readonly loadingsOf = new Map<string, Set<Loading>>();
  private readonly changes = new Map<string, Map<string, NodeJS.Timeout>>();

  constructor(capacity: number, maxBytes: number) {
    this.entries = new LRUCache({
      max: capacity,
      maxSize: maxBytes,
      maxEntrySize: Math.ceil(maxBytes / 10), // one giant must not push everything else out
      sizeCalculation: ({ size }) => size,
      dispose: ({ tags }, key, reason) => {
        if (reason === 'evict') this.evictions++;
        this.forgetKey(tags, key);
      },
    });
  }

  get size(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return this.entries.calculatedSize;
  }

  get(key: string, now: number): CacheEntry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.expiresAt > now) return entry;
    this.entries.delete(key);
    return undefined;
  }

  /** To be called before the value is read; `close` it in the end. Overtaken at birth while a tag is being changed. */
  open(key: string, tags: readonly string[]): Loading {
    const loading = new Loading(key, tags);
    this.loadings.add(loading);
    for (const tag of tags) {
      if (this.changes.has(tag)) loading.overtaken = true;
      addTo(this.loadingsOf, tag, loading);
    }
    return loading;
  }

  close(loading: Loading): void {
    this.loadings.delete(loading);
    for (const tag of loading.tags) removeFrom(this.loadingsOf, tag, loading);
  }

  /** Keeps a value, unless a change overtook its loading. */
  fill({ key, overtaken }: Loading, entry: CacheEntry): void {
    if (overtaken) return;
    this.entries.set(key, entry);
    if (this.entries.has(key)) for (const tag of entry.tags) addTo(this.keysOf, tag, key); // else it is too large
  }

  /** From now on nothing of these tags is kept or given, until `endChange` with the same `id` (or its process's death). */
  beginChange(tags: readonly string[], id: string): void {
    for (const tag of tags) {
      const ends = setTimeout(() => this.endChange([tag], id), LONGEST_CHANGE_MS).unref();
      let ids = this.changes.get(tag);
      if (!ids) this.changes.set(tag, (ids = new Map<string, NodeJS.Timeout>()));
      clearTimeout(ids.get(id)); // announced again, for somebody who had joined
      ids.set(id, ends);
      this.overtake(tag);
    }
  }

  endChange(tags: readonly string[], id: string): void {
    for (const tag of tags) {
      const ids = this.changes.get(tag);
      clearTimeout(ids?.get(id));
      if (ids?.delete(id) && ids.size === 0) this.changes.delete(tag);
      this.overtake(tag);
    }
  }

  /** Forgets what matches, also while it is being loaded. Returns how many were there. */
  deleteWhere(matches: (key: string) => boolean): number {
    for (const loading of this.loadings) if (matches(loading.key)) loading.overtaken = true;
    let removed = 0;
    for (const key of [...this.entries.keys()]) if (matches(key) && this.entries.delete(key)) removed++;
    return removed;
  }

  /** Forgets everything, also what is being loaded. */
  clear(): void {
    this.entries.clear();
    for (const loading of this.loadings) loading.overtaken = true;
  }

  private overtake(tag: string): void {
    for (const loading of this.loadingsOf.get(tag) ?? []) loading.overtaken = true;
    for (const key of [...(this.keysOf.get(tag) ?? [])]) this.entries.delete(key);
  }

  private forgetKey(tags: readonly string[], key: string): void {
    for (const tag of tags) removeFrom(this.keysOf, tag, key);
  }
}

function addTo<T>(sets: Map<string, Set<T>>, name: string, member: T): void {
  let set = sets.get(name);
  if (!set) sets.set(name, (set = new Set()));
  set.add(member);
}

function removeFrom<T>(sets: Map<string, Set<T>>, name: string, member: T): void {
  const set = sets.get(name);
  if (set?.delete(member) && set.size === 0) sets.delete(name);
}
