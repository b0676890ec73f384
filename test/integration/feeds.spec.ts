// Feeds on a real event log: lost signals, resume storms, and feeds without readers.
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import type { Actor } from '../../src/common/access/permissions.js';
import type { FeedPage } from '../../src/realtime/feeds/feed.js';
import { Feeds } from '../../src/realtime/feeds/feeds.js';
import { EventLog } from '../../src/shared/events/event-log.js';
import { EventSequencer } from '../../src/shared/events/event-sequencer.js';
import type { EventSignals } from '../../src/shared/events/event-signals.js';
import { SystemClock } from '../../src/shared/libs/clock.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

/** Signals of one process to itself, which a test can lose. */
class LossySignals {
  isLost = false;
  private listener: ((owners: readonly string[] | 'all') => void) | undefined;

  publish(owners: readonly string[] | 'all'): void {
    if (!this.isLost) this.listener?.(owners);
  }

  listen(listener: (owners: readonly string[] | 'all') => void): void {
    this.listener = listener;
  }
}

const logger = pino({ enabled: false });
let database: ClonedDatabase;
let repositories: Repositories;
let log: EventLog;
let sequencer: EventSequencer;
let signals: LossySignals;
let feeds: Feeds;
let actor: Actor;
beforeAll(async () => {
  database = await cloneDatabase();
  repositories = await openRepositories(database.url);
  log = new EventLog(repositories.transaction);
});
beforeEach(async () => {
  feeds?.beforeApplicationShutdown();
  signals = new LossySignals();
  const asSignals = signals as unknown as EventSignals;
  const settings = { retentionDays: 7, retentionCount: 1_000 };
  sequencer = new EventSequencer(repositories.transaction, settings, asSignals, logger);
  feeds = new Feeds(log, asSignals, new SystemClock(), logger);
  feeds.onModuleInit();
  const user = await repositories.users.create({ name: 'Ada' }, (one) => one);
  actor = { id: user.uuid, key: user.id } as Actor;
});
afterAll(async () => {
  feeds.beforeApplicationShutdown();
  await repositories.close();
  await database.drop();
});

async function create(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await repositories.tasks.create(actor, { title: `task ${at}` });
  await sequencer.catchUp();
}

it('a signal of the sequencer wakes the readers of its owner alone', async () => {
  await create(1);
  const woken: string[] = [];
  const { feed } = await feeds.join(actor.key, () => woken.push('Ada'));
  await feeds.join('4711', () => woken.push('another'));
  const { position } = feed;
  await create(3);
  await until(() => woken.length > 0, 'the wake-up');
  const page = (await feed.read(position)) as FeedPage;
  expect(page.messages.length).toBe(3);
  expect(woken).toEqual(['Ada']);
});

it('a lost signal only delays: positions are compared with the log', async () => {
  await create(1);
  let isWoken = false;
  const { feed } = await feeds.join(actor.key, () => (isWoken = true));
  const { position } = feed;
  signals.isLost = true;
  await create(2);
  await until(() => isWoken, 'the comparison');
  expect(((await feed.read(position)) as FeedPage).messages.length).toBe(2);
});

it('a reconnect compares at once', async () => {
  await create(1);
  await feeds.join(actor.key, () => undefined);
  const comparing = jest.spyOn(log, 'changed');
  await until(() => {
    comparing.mockClear();
    signals.publish('all');
    return comparing.mock.calls.length === 1; // none while the regular comparison runs
  }, 'a comparison in the same turn');
  comparing.mockRestore();
});

it('1,000 clients that resume at once read the log at most four at a time, and once for each owner and cursor', async () => {
  await create(20);
  const epoch = (await log.head(actor.key)).split('.')[0] as string;
  let running = 0;
  let most = 0;
  let reads = 0;
  const after = log.after.bind(log);
  const counted = jest.spyOn(log, 'after').mockImplementation(async (...args) => {
    most = Math.max(most, ++running);
    reads++;
    return after(...args).finally(() => running--);
  });
  const pages = await Promise.all(
    Array.from({ length: 1_000 }, async (_, at) => {
      const { feed } = await feeds.join(actor.key, () => undefined);
      return feed.read(`${epoch}.${at % 10}`);
    }),
  );
  counted.mockRestore();
  expect(pages.filter((page) => page === 'GAP')).toEqual([]);
  expect(reads).toBeLessThanOrEqual(10);
  expect(most).toBeLessThanOrEqual(4);
});

it('a feed without readers is closed, and opens again with the events that it missed', async () => {
  await create(1);
  const { feed, leave } = await feeds.join(actor.key, () => undefined);
  leave();
  signals.publish('all');
  await create(2);
  const again = await feeds.join(actor.key, () => undefined);
  expect(again.feed).not.toBe(feed);
  expect(again.feed.position).toBe(await log.head(actor.key));
});
