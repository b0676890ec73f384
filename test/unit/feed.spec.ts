// The feed of an owner: one read of the log for all readers, and no event lost between those that catch up and the live ones.
import { expect, it } from '@jest/globals';
import { Feed, type FeedPage, type FeedSource } from '../../src/realtime/feeds/feed.js';

const EPOCH = '0123456789ab';
const at = (number: number): string => `${EPOCH}.${number}`;

/** A log with events 1 to `head`, which counts its reads; `hold` delays them. */
class Log implements FeedSource {
  reads: string[] = [];
  epoch = EPOCH;
  hold: Promise<void> = Promise.resolve();

  constructor(
    public size: number,
    private readonly limit = 100,
  ) {}

  head(): Promise<string> {
    return Promise.resolve(`${this.epoch}.${this.size}`);
  }

  async after(_owner: string, cursor: string): ReturnType<FeedSource['after']> {
    this.reads.push(cursor);
    const { size } = this; // of the snapshot
    await this.hold;
    const [epoch, number] = cursor.split('.');
    const first = Number(number) + 1;
    if (epoch !== this.epoch || first > size + 1) return 'GAP';
    const count = Math.min(this.limit, size - Number(number));
    const messages = Array.from({ length: count }, (_, index) => {
      const json = Buffer.from(String(first + index));
      return { topic: 'tasks' as const, cursor: at(first + index), json, frame: json };
    });
    return { messages, cursor: messages.at(-1)?.cursor ?? cursor, isLast: count < this.limit };
  }
}

const numbersOf = (page: FeedPage | 'GAP'): number[] =>
  page === 'GAP' ? [NaN] : page.messages.map(({ json }) => Number(json.toString()));

/** Resolves when work that is ready has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('live readers get the same page, which was read once', async () => {
  const log = new Log(5);
  const feed = new Feed('1', at(5), log);
  const pages: unknown[] = [];
  for (let count = 0; count < 100; count++) feed.join(() => pages.push(feed.read(at(5))));
  log.size = 7;
  await feed.refresh();
  expect(log.reads).toEqual([at(5)]);
  expect(pages.length).toBe(100);
  expect(new Set(pages).size).toBe(1);
  expect(numbersOf(pages[0] as FeedPage)).toEqual([6, 7]);
  expect(feed.read(at(7))).toEqual({ messages: [], cursor: at(7) });
});

it('readers that catch up from the same cursor share a read', async () => {
  const log = new Log(50);
  const feed = new Feed('1', at(50), log);
  const pages = await Promise.all(Array.from({ length: 100 }, async () => feed.read(at(40))));
  expect(log.reads).toEqual([at(40)]);
  expect(numbersOf(pages[0]!)).toEqual([41, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
});

it('a reader that catches up stops where the live ones are, so it meets them', async () => {
  const log = new Log(50);
  const feed = new Feed('1', at(45), log);
  const page = (await feed.read(at(40))) as FeedPage;
  expect([numbersOf(page), page.cursor]).toEqual([[41, 42, 43, 44, 45], at(45)]);
  await feed.refresh();
  expect(numbersOf(await feed.read(page.cursor))).toEqual([46, 47, 48, 49, 50]);
  expect(log.reads.length).toBe(2);
});

it('a cursor of a process that is ahead is not a gap', async () => {
  const log = new Log(50);
  const feed = new Feed('1', at(40), log);
  expect(await feed.read(at(48))).toMatchObject({ cursor: at(50) });
  expect(await feed.read(at(51))).toBe('GAP');
});

it('an event that arrives while the log is read is read afterwards', async () => {
  const log = new Log(5);
  const feed = new Feed('1', at(5), log);
  let release = (): void => undefined;
  log.hold = new Promise((resolve) => (release = resolve));
  log.size = 6;
  const first = feed.refresh();
  await settled();
  log.size = 7; // the running read does not see it
  const second = feed.refresh();
  release();
  await Promise.all([first, second]);
  expect(feed.position).toBe(at(7));
});

it('a long log is read in pages, and old pages leave the memory', async () => {
  const log = new Log(0, 10);
  const feed = new Feed('1', at(0), log);
  log.size = 500;
  await feed.refresh();
  expect(feed.position).toBe(at(500));
  let cursor = at(0);
  const seen: number[] = [];
  while (cursor !== feed.position) {
    const page = (await feed.read(cursor)) as FeedPage;
    seen.push(...numbersOf(page));
    ({ cursor } = page);
  }
  expect(seen).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
});

it('after a restore of the database readers get GAP, and the feed continues at the new end', async () => {
  const log = new Log(5);
  const feed = new Feed('1', at(5), log);
  log.epoch = 'ba9876543210';
  log.size = 2;
  await feed.refresh();
  expect(feed.position).toBe('ba9876543210.2');
  expect(await feed.read(at(5))).toBe('GAP');
});

it('a failed read does not stop the feed', async () => {
  const log = new Log(5);
  const feed = new Feed('1', at(5), log);
  log.hold = Promise.reject(new Error('away'));
  log.size = 6;
  const failed = feed.refresh();
  const waiting = feed.refresh();
  log.hold = Promise.resolve();
  await expect(failed).rejects.toThrow('away');
  await expect(waiting).resolves.toBeUndefined();
  expect(feed.position).toBe(at(6));
});
