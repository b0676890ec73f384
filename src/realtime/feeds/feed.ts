// The events of one owner for all readers in this process: each event is read and serialised once.
import { compareCursors } from '../../shared/events/event-log.js';
import type { EventMessage } from '../messages.js';

export interface FeedPage {
  readonly messages: readonly EventMessage[];
  /** Behind all events that were read, also those without a message. Equal to the cursor of the read: there is nothing new. */
  readonly cursor: string;
}

/** Reads the log. */
export interface FeedSource {
  head(owner: string): Promise<string>;
  /** `isLast`: nothing was behind these events. */
  after(owner: string, cursor: string): Promise<(FeedPage & { isLast: boolean }) | 'GAP'>;
}

/** Pages that late readers still get from memory: what is older, or more, is read from the log. */
const MAX_PAGES = 8;
const MAX_BYTES = 65_536;

/**
 * Readers have a cursor and ask for what is behind it, so a reader that does not ask costs nothing, and one that is behind is served
 * from the log. At the feed's own position all of them get the same page.
 */
export class Feed {
  private readonly wakes = new Set<() => void>();
  /** Recent pages by the cursor before them. */
  private readonly pages = new Map<string, FeedPage>();
  private bytes = 0;
  private refreshing: Promise<void> | undefined;
  private nextRefresh: Promise<void> | undefined;
  private readonly reads = new Map<string, Promise<FeedPage | 'GAP'>>();

  /** `position`: every reader that has read up to it is live. */
  constructor(
    readonly owner: string,
    private current: string,
    private readonly source: FeedSource,
  ) {}

  get position(): string {
    return this.current;
  }

  get isRead(): boolean {
    return this.wakes.size > 0;
  }

  /** Calls `wake`, which must not throw, when there is something to read. Returns a function that ends this. */
  join(wake: () => void): () => void {
    this.wakes.add(wake);
    return () => void this.wakes.delete(wake);
  }

  /** Returns no promise at the position of the feed and for recent pages, which is the case of live readers. */
  read(after: string): FeedPage | 'GAP' | Promise<FeedPage | 'GAP'> {
    if (after === this.current) return { messages: [], cursor: after };
    return this.pages.get(after) ?? this.readOnce(after);
  }

  /** Resolves when the feed has read everything that was in the log at the time of the call. */
  refresh(): Promise<void> {
    if (!this.refreshing) return (this.refreshing = this.advance().finally(() => (this.refreshing = undefined)));
    // The running one may have read the log before the event of this call.
    return (this.nextRefresh ??= this.refreshing
      .catch(() => undefined)
      .then(() => {
        this.nextRefresh = undefined;
        return this.refresh();
      }));
  }

  /** Forgets the recent pages. */
  clear(): void {
    this.pages.clear();
    this.bytes = 0;
  }

  private async advance(): Promise<void> {
    for (;;) {
      const page = await this.source.after(this.owner, this.current);
      if (page === 'GAP') {
        // Readers at earlier cursors find the gap themselves, when they read.
        this.clear();
        this.current = await this.source.head(this.owner);
        return this.wake();
      }
      if (page.cursor === this.current) return;
      this.keep(this.current, page);
      this.current = page.cursor;
      this.wake();
      if (page.isLast) return;
    }
  }

  private wake(): void {
    for (const wake of this.wakes) wake();
  }

  private keep(after: string, page: FeedPage): void {
    this.pages.set(after, page);
    this.bytes += bytesOf(page);
    for (const [first, { messages, cursor }] of this.pages) {
      if (this.pages.size <= MAX_PAGES && this.bytes <= MAX_BYTES) return;
      if (first === after) return; // the newest is what live readers read now
      this.pages.delete(first);
      this.bytes -= bytesOf({ messages, cursor });
    }
  }

  private readOnce(after: string): Promise<FeedPage | 'GAP'> {
    let reading = this.reads.get(after);
    if (!reading) this.reads.set(after, (reading = this.catchUp(after).finally(() => this.reads.delete(after))));
    return reading;
  }

  /** Reads at most up to the position, where readers that catch up meet the live ones. */
  private async catchUp(after: string): Promise<FeedPage | 'GAP'> {
    if ((compareCursors(after, this.current) ?? 0) > 0) await this.refresh(); // the cursor comes from a process that is ahead
    const page = await this.source.after(this.owner, after);
    if (page === 'GAP') return page;
    const excess = compareCursors(page.cursor, this.current);
    if (excess === null || excess <= 0) return page;
    const isReached = ({ cursor }: { cursor: string }): boolean => (compareCursors(cursor, this.current) ?? 1) <= 0;
    return isReached({ cursor: after })
      ? { messages: page.messages.filter(isReached), cursor: this.current }
      : { messages: [], cursor: after };
  }
}

function bytesOf({ messages }: FeedPage): number {
  return messages.reduce((sum, { json }) => sum + json.length, 0);
}
