// Sends one client what it missed, then each event of its topics, in the order of the log.
import { compareCursors } from '../../shared/events/event-log.js';
import type { Feed, FeedPage } from '../feeds/feed.js';
import type { Topic } from '../messages.js';
import type { Outlet } from './outlet.js';

export class Subscription {
  readonly topics = new Set<Topic>();
  /** Behind the last event that was sent, or is of no topic of this client. */
  cursor: string;
  isOver = false;

  constructor(
    private readonly feed: Feed,
    private readonly outlet: Outlet,
    private readonly leave: () => void,
  ) {
    this.cursor = feed.position;
  }

  end(): void {
    this.isOver = true;
    this.leave();
  }

  /**
   * Adds topics. With `since`, their events behind that cursor are sent before, up to the place that the other topics have reached.
   * When it resolves, every later event of the topics follows.
   */
  async add(topics: readonly Topic[], since: string | undefined): Promise<void> {
    if (since !== undefined && this.topics.size === 0) this.cursor = since;
    else if (since !== undefined) await this.replay(new Set(topics), since);
    for (const topic of topics) this.topics.add(topic);
    await this.sendNew();
  }

  /** Sends what is new, until there is nothing more. */
  async sendNew(): Promise<void> {
    while (!this.isOver) {
      const found = this.feed.read(this.cursor);
      const page = found instanceof Promise ? await found : found;
      if (page === 'GAP') {
        await this.feed.refresh();
        this.cursor = this.feed.position;
        this.sendGap();
        continue;
      }
      if (page.cursor === this.cursor) return;
      const { cursor, isComplete } = this.send(page, this.topics);
      this.cursor = cursor;
      if (!isComplete) await this.outlet.drained(); // the rest of the page is read again, so a slow client holds no memory
    }
  }

  private async replay(topics: ReadonlySet<Topic>, since: string): Promise<void> {
    if ((compareCursors(since, this.cursor) ?? 0) > 0) await this.feed.refresh(); // it comes from a process that is ahead
    await this.sendNew();
    for (let at = since; !this.isOver && at !== this.cursor;) {
      const page = await this.feed.read(at);
      if (page === 'GAP') return this.sendGap();
      if (page.cursor === at) return; // ahead of the log
      const { cursor, isComplete } = this.send(page, topics, this.cursor);
      at = cursor;
      if (!isComplete) await this.outlet.drained();
    }
  }

  /** Returns the place behind what was sent, and false when the client must read before it gets more. */
  private send(
    { messages, cursor }: FeedPage,
    topics: ReadonlySet<Topic>,
    last?: string,
  ): { cursor: string; isComplete: boolean } {
    for (const message of messages) {
      if (last !== undefined && (compareCursors(message.cursor, last) ?? 1) > 0) break;
      if (topics.has(message.topic) && !this.outlet.sendEvent(message))
        return { cursor: message.cursor, isComplete: false };
    }
    const isBeyond = last !== undefined && (compareCursors(cursor, last) ?? 1) > 0;
    return { cursor: isBeyond ? last : cursor, isComplete: true };
  }

  private sendGap(): void {
    this.outlet.send(JSON.stringify({ type: 'GAP', cursor: this.cursor }));
  }
}
