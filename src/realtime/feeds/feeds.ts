// The feeds of this process: opened by their first reader, woken by signals, and compared with the log every few seconds.
import { type BeforeApplicationShutdown, Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { EventLog } from '../../shared/events/event-log.js';
import { EventSignals } from '../../shared/events/event-signals.js';
import { Clock } from '../../shared/libs/clock.js';
import { Semaphore } from '../../shared/libs/semaphore.js';
import { throttle } from '../../shared/libs/throttle.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { requestContext } from '../../shared/logging/request-context.js';
import { type EventMessage, toMessage } from '../messages.js';
import { Feed, type FeedSource } from './feed.js';

/** Events of one read of the log. */
export const MAX_EVENTS = 100;
/** Simultaneous reads of the log: after a restart all clients read at once, and other requests need the database, too. */
const MAX_READS = 4;
const MAX_WAIT_MS = 60_000;
/** The delay of events when a signal gets lost. */
const COMPARE_MS = 3_000;
const WARNING_PERIOD_MS = 60_000;

@Injectable()
export class Feeds implements OnModuleInit, BeforeApplicationShutdown, FeedSource {
  private readonly feeds = new Map<string, Promise<Feed>>();
  private readonly opened = new Map<string, Feed>();
  private readonly reads = new Semaphore(MAX_READS, Infinity, MAX_WAIT_MS);
  private readonly warn: (error: unknown) => void;
  private timer: NodeJS.Timeout | undefined;
  private isComparing = false;

  constructor(
    private readonly log: EventLog,
    private readonly signals: EventSignals,
    clock: Clock,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.warn = throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped, error: unknown) =>
      logger.warn({ err: error, skipped }, 'Failed to read the event log for realtime clients; they wait'),
    ); // prettier-ignore
  }

  onModuleInit(): void {
    this.signals.listen((owners) => (owners === 'all' ? void this.compare() : owners.forEach((one) => this.wake(one))));
    this.timer = setInterval(() => void this.compare(), COMPARE_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Joins the feed of an owner at its position; `wake` as for `Feed.join`. `leave` must be called at the end. */
  async join(owner: string, wake: () => void): Promise<{ feed: Feed; leave: () => void }> {
    let opening = this.feeds.get(owner);
    if (!opening) {
      opening = this.open(owner);
      this.feeds.set(owner, opening);
      opening.catch(() => this.feeds.delete(owner));
    }
    const feed = await opening;
    return { feed, leave: feed.join(wake) };
  }

  head(owner: string): Promise<string> {
    return this.run(owner, () => this.log.head(owner));
  }

  async after(owner: string, cursor: string): ReturnType<FeedSource['after']> {
    const page = await this.run(owner, () => this.log.after(owner, cursor, MAX_EVENTS));
    if (page === 'GAP') return page;
    const messages = page.events.map(toMessage).filter((message): message is EventMessage => message !== null);
    return { messages, cursor: page.cursor, isLast: page.events.length < MAX_EVENTS };
  }

  private async open(owner: string): Promise<Feed> {
    const feed = new Feed(owner, await this.head(owner), this);
    this.opened.set(owner, feed);
    return feed;
  }

  /** Many readers share a read: it must not end with the request of the first one. */
  private run<T>(owner: string, read: () => Promise<T>): Promise<T> {
    return requestContext.exit(() => this.reads.run(read, owner));
  }

  /** A feed that is being opened may have read the head before this event. */
  private wake(owner: string): void {
    void this.feeds
      .get(owner)
      ?.then((feed) => feed.refresh())
      .catch(this.warn);
  }

  /** Finds events whose signals got lost, and closes the feeds that have no reader. */
  private async compare(): Promise<void> {
    const cursors = new Map<string, string>();
    for (const [owner, feed] of this.opened) {
      feed.clear(); // the memory of owners whose clients are live
      if (feed.isRead) cursors.set(owner, feed.position);
      else this.close(owner);
    }
    if (cursors.size === 0 || this.isComparing) return;
    this.isComparing = true;
    try {
      for (const owner of await this.log.changed(cursors)) this.wake(owner);
    } catch (error) {
      this.warn(error);
    } finally {
      this.isComparing = false;
    }
  }

  private close(owner: string): void {
    this.opened.delete(owner);
    this.feeds.delete(owner);
  }
}
