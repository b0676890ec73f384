// The first cache layer: an in-process LRU, limited by entries and bytes, that blocks values while their tags change.
import { LRUCache } from 'lru-cache';

export interface CacheEntry {
  readonly value: unknown;
  readonly tags: readonly string[];
  /** Milliseconds since 1970, by Clock. */
  readonly expiresAt: number;
  /** Loading time of the value, milliseconds: expensive values are refreshed earlier. */
  readonly cost: number;
  /** Approximate size in bytes. */
  readonly size: number;
}

/** A running load. When a change of one of its tags overtakes it, its value must not be cached. */
export class Loading {
  isInvalidated = false;

  constructor(
    readonly key: string,
    readonly tags: readonly string[],
  ) {}
}

/**
 * Time after which a change without a published end counts as dead: its process died or is frozen. By then PostgreSQL has
 * ended its transaction or refused its statement (change-deadline.ts). Milliseconds.
 */
export const MAX_CHANGE_MS = 15_000;

export class MemoryStore {
  /** Entries evicted since the start because the cache was full. */
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
      maxEntrySize: Math.ceil(maxBytes / 10), // one huge value must not evict all others
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

  /**
   * Call it before the value is read, and `close` the result at the end. While one of the tags changes, the returned load is
   * invalidated from the start.
   */
  open(key: string, tags: readonly string[]): Loading {
    const loading = new Loading(key, tags);
    this.loadings.add(loading);
    for (const tag of tags) {
      if (this.changes.has(tag)) loading.isInvalidated = true;
      addTo(this.loadingsOf, tag, loading);
    }
    return loading;
  }

  close(loading: Loading): void {
    this.loadings.delete(loading);
    for (const tag of loading.tags) removeFrom(this.loadingsOf, tag, loading);
  }

  /** Stores a value unless a change overtook its load. */
  fill({ key, isInvalidated }: Loading, entry: CacheEntry): void {
    if (isInvalidated) return;
    this.entries.set(key, entry);
    if (this.entries.has(key)) for (const tag of entry.tags) addTo(this.keysOf, tag, key); // otherwise it is too large
  }

  /** Blocks values of these tags until `endChange` with the same `id`, or until the changing process counts as dead. */
  beginChange(tags: readonly string[], id: string): void {
    for (const tag of tags) {
      const ends = setTimeout(() => this.endChange([tag], id), MAX_CHANGE_MS).unref();
      let ids = this.changes.get(tag);
      if (!ids) this.changes.set(tag, (ids = new Map<string, NodeJS.Timeout>()));
      clearTimeout(ids.get(id)); // announced again for a process that joined
      ids.set(id, ends);
      this.invalidateLoads(tag);
    }
  }

  endChange(tags: readonly string[], id: string): void {
    for (const tag of tags) {
      const ids = this.changes.get(tag);
      clearTimeout(ids?.get(id));
      if (ids?.delete(id) && ids.size === 0) this.changes.delete(tag);
      this.invalidateLoads(tag);
    }
  }

  /** Returns the tags of each change that runs, by its id. */
  runningChanges(): Map<string, string[]> {
    const tagsOf = new Map<string, string[]>();
    for (const [tag, ids] of this.changes)
      for (const id of ids.keys()) {
        const tags = tagsOf.get(id);
        if (tags) tags.push(tag);
        else tagsOf.set(id, [tag]);
      }
    return tagsOf;
  }

  /** Deletes matching entries, and marks matching loads as invalidated. Returns the number of deleted entries. */
  deleteWhere(matches: (key: string) => boolean): number {
    for (const loading of this.loadings) if (matches(loading.key)) loading.isInvalidated = true;
    let removed = 0;
    for (const key of [...this.entries.keys()]) if (matches(key) && this.entries.delete(key)) removed++;
    return removed;
  }

  /** Deletes all entries, and marks all running loads as invalidated. */
  clear(): void {
    this.entries.clear();
    for (const loading of this.loadings) loading.isInvalidated = true;
  }

  private invalidateLoads(tag: string): void {
    for (const loading of this.loadingsOf.get(tag) ?? []) loading.isInvalidated = true;
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
