// Reads the events behind a cursor for one client over HTTP, and waits for them.
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import type { Actor } from '../../common/access/permissions.js';
import type { Client, EndReason } from '../clients/clients.js';
import type { Feed, FeedPage } from '../feeds/feed.js';
import type { EventMessage } from '../messages.js';

/** Bytes of the messages that are returned at once, beyond the first message. */
const MAX_BYTES = 65_536;

export class EventReader implements Client {
  /** Why the client is no longer served; undefined while it is. */
  endedBy: EndReason | 'hung up' | undefined;
  private isWoken = false;
  private stopWaiting: (() => void) | undefined;

  constructor(
    readonly actor: Actor,
    readonly claims: AccessClaims,
    public cursor: string,
  ) {}

  wake(): void {
    this.isWoken = true;
    this.stopWaiting?.();
  }

  end(reason: EndReason | 'hung up'): void {
    this.endedBy ??= reason;
    this.wake();
  }

  /**
   * Returns the next messages and moves the cursor behind them; none after `waitMs` or when the client has ended. `GAP`: the cursor is
   * now at the end of the log.
   */
  async next(feed: Feed, waitMs: number, maxMessages = Infinity): Promise<readonly EventMessage[] | 'GAP'> {
    const endMs = performance.now() + waitMs;
    while (!this.endedBy) {
      this.isWoken = false;
      const page = await feed.read(this.cursor);
      if (page === 'GAP') {
        await feed.refresh();
        this.cursor = feed.position;
        return page;
      }
      if (page.messages.length > 0) return this.take(page, maxMessages);
      const isMoved = page.cursor !== this.cursor; // events without messages
      this.cursor = page.cursor;
      if (!isMoved && !(await this.isWokenWithin(endMs - performance.now()))) return [];
    }
    return [];
  }

  private take({ messages, cursor }: FeedPage, maxMessages: number): readonly EventMessage[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(messages.length, maxMessages) && bytes < MAX_BYTES; count++)
      bytes += (messages[count] as EventMessage).json.length;
    const taken = messages.slice(0, count);
    this.cursor = count === messages.length ? cursor : (taken.at(-1) as EventMessage).cursor;
    return taken;
  }

  private async isWokenWithin(ms: number): Promise<boolean> {
    if (this.isWoken || ms <= 0) return this.isWoken;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.stopWaiting = () => (clearTimeout(timer), resolve());
    });
    return this.isWoken;
  }
}
