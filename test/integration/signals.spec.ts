// Messages between processes: every subscriber of a topic receives them, also after a reconnect.
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';
import { PostgresRelay } from '../../src/shared/pubsub/postgres.relay.js';
import { Signals } from '../../src/shared/pubsub/signals.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { until } from '../support/time/until.js';

let database: ClonedDatabase;
let source: DataSource;
let pipelined: PipelinedConnections;
const opened: Signals[] = [];
let log: string[] = [];
beforeAll(async () => {
  database = await cloneDatabase();
  source = await new DataSource(
    servingOptions(testConfig(database.url).get(DatabaseSettings), database.url),
  ).initialize();
  pipelined = new PipelinedConnections(source);
});
afterEach(async () => {
  for (const signals of opened.splice(0)) await signals.onApplicationShutdown();
  log = [];
});
afterAll(async () => {
  await pipelined.onApplicationShutdown();
  await source.destroy();
  await database.drop();
});

/** Opens the services as a process has them. */
async function open(): Promise<Signals> {
  const signals = new Signals(source, pipelined, pino({}, { write: (line) => void log.push(line) }));
  opened.push(signals);
  await signals.onModuleInit();
  return signals;
}

function listen(signals: Signals, topic: string): string[] {
  const received: string[] = [];
  signals.on(topic, (body) => received.push(body));
  return received;
}

/** Cuts the connection on the server side. */
async function cut(): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast relay'`,
  );
  await client.end();
}

it('every process receives all messages after its start, including its own, in one order', async () => {
  const [one, two] = [await open(), await open()];
  const received = [listen(one, 'word'), listen(two, 'word')];
  const words = Array.from({ length: 200 }, (_, at) => `${at}`);
  await Promise.all(words.map((word, at) => (at % 2 ? one : two).send('word', word)));
  await until(() => received.every((list) => list.length === words.length), 'all messages');
  expect([...(received[0] as string[])].sort()).toEqual([...words].sort());
  expect(received[1]).toEqual(received[0]);
});

it('a message body arrives unchanged, at all listeners of its topic and no others', async () => {
  const signals = await open();
  const [first, second, other] = [listen(signals, 'a'), listen(signals, 'a'), listen(signals, 'b')];
  const bodies = ['', 'two\nlines\n', '{"id":"ä€😀"}', 'x'.repeat(6_900)];
  for (const body of bodies) await signals.send('a', body);
  await signals.send('b', 'last');
  await until(() => other.length === 1, 'the last one');
  expect([first, second, other]).toEqual([bodies, bodies, ['last']]);
});

it('a message that cannot be published is rejected', async () => {
  const signals = await open();
  await expect(signals.send('a', 'x'.repeat(7_000))).rejects.toThrow(RangeError);
  await expect(signals.send('a', '€'.repeat(2_400))).rejects.toThrow(RangeError); // the limit counts bytes
  await expect(signals.send('a', 'a \0 in it')).rejects.toThrow();
});

it('a failing listener is logged, and the other listeners receive the message', async () => {
  const signals = await open();
  signals.on('a', () => {
    throw new Error('my own fault');
  });
  const received = listen(signals, 'a');
  await signals.send('a', 'one');
  await signals.send('a', 'two');
  await until(() => received.length === 2, 'both');
  expect(log.filter((line) => line.includes('my own fault'))).toHaveLength(2);
});

it('a lost connection is restored and reported, because messages may be missing', async () => {
  const signals = await open();
  const received = listen(signals, 'a');
  let reconnected = 0;
  signals.onReconnect(() => reconnected++);
  await signals.send('a', 'before');
  await until(() => received.length === 1, 'the first message');
  expect(reconnected).toBe(0);
  await cut();
  await until(() => reconnected === 1, 'the new connection');
  await signals.send('a', 'after');
  await until(() => received.includes('after'), 'the next message');
  await cut();
  await until(() => reconnected === 2, 'the third connection');
});

it('the relays of messages and of the cache are separate', async () => {
  const signals = await open();
  const received = listen(signals, 'a');
  const relay = new PostgresRelay(source, pipelined);
  const overheard: string[] = [];
  relay.open({ message: (text) => overheard.push(text), lost: () => undefined });
  await until(async () => {
    await relay.publish('a\nfrom the cache');
    return overheard.length > 0;
  }, 'the relay to listen');
  await signals.send('a', 'mine');
  await until(() => received.length > 0, 'its own message');
  await relay.publish('a\nthe last');
  await until(() => overheard.includes('a\nthe last'), 'its last message');
  expect(received).toEqual(['mine']);
  expect(overheard.every((text) => text.startsWith('a\n'))).toBe(true);
  await relay.close();
});
