// The contract of the message relays on PostgreSQL, Redis and a Redis Cluster.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { RedisSettings } from '../../src/shared/redis/redis.settings.js';
import { Redis } from '../../src/shared/redis/redis.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import type { EventRelay } from '../../src/shared/pubsub/relay.js';
import { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';
import { PostgresRelay } from '../../src/shared/pubsub/postgres.relay.js';
import { RedisRelay } from '../../src/shared/pubsub/redis.relay.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { OwnRedis, OwnRedisCluster } from '../support/engines/own-redis.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const SECRET = 'a secret of more than 32 characters';

interface Ground {
  /** Opens a relay as another process has it. */
  relay(): Promise<EventRelay>;
  /** Cuts every subscription on the server side. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

async function onPostgres(): Promise<Ground> {
  const database: ClonedDatabase = await cloneDatabase();
  const sources: DataSource[] = [];
  return {
    async relay() {
      const source = await new DataSource(
        servingOptions(testConfig(database.url).get(DatabaseSettings), database.url),
      ).initialize();
      sources.push(source);
      return new PostgresRelay(source, new PipelinedConnections(source));
    },
    async cut() {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      const relays = `datname = current_database() AND application_name = 'holdfast relay'`;
      await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${relays}`);
      await client.end();
    },
    async close() {
      for (const source of sources) await source.destroy();
      await database.drop();
    },
  };
}

async function onRedis(nodes: OwnRedis[], env: Record<string, string>, stop: () => Promise<void>): Promise<Ground> {
  const opened: Redis[] = [];
  const { servers, ...rest } = testConfig('postgres://localhost/none', {
    ...env,
    REDIS_PREFIX: `t${randomUUID()}`,
  }).get(RedisSettings);
  return {
    async relay() {
      if (!servers) throw new Error('no servers');
      const redis = new Redis({ servers, ...rest }, pino({ enabled: false }));
      opened.push(redis);
      await redis.open();
      return new RedisRelay(redis, SECRET);
    },
    async cut() {
      for (const node of nodes) await node.ask((client) => client.client('KILL', 'TYPE', 'pubsub'));
    },
    async close() {
      for (const redis of opened) await redis.onApplicationShutdown();
      await stop();
    },
  };
}

const grounds: Array<[string, boolean, () => Promise<Ground>]> = [
  ['postgres', true, onPostgres],
  [
    'redis',
    REDIS_SERVER !== undefined,
    async () => {
      const redis = await OwnRedis.start();
      return onRedis([redis], { REDIS_URL: redis.url }, () => redis.stop());
    },
  ],
  [
    'redis cluster',
    REDIS_SERVER !== undefined,
    async () => {
      const cluster = await OwnRedisCluster.start();
      return onRedis([...cluster.nodes], { REDIS_CLUSTER_NODES: cluster.addresses }, () => cluster.stop());
    },
  ],
];

for (const [name, available, open] of grounds) {
  const suite = available ? describe : describe.skip;
  suite(`message relays on ${name}`, () => {
    let ground: Ground;
    const relays: EventRelay[] = [];
    beforeAll(async () => {
      ground = await open();
    });
    afterEach(async () => {
      for (const relay of relays.splice(0)) await relay.close();
    });
    afterAll(() => ground.close());

    /** A relay, and the messages that it received. */
    async function listen(): Promise<{ relay: EventRelay; received: string[]; losses: () => number }> {
      const relay = await ground.relay();
      const received: string[] = [];
      let losses = 0;
      relays.push(relay);
      relay.open({ message: (text) => received.push(text), lost: () => losses++ });
      await receivesItself(relay, received);
      return { relay, received, losses: () => losses };
    }

    async function receivesItself(relay: EventRelay, received: string[]): Promise<void> {
      const word = `hello ${randomUUID()}`;
      await until(async () => {
        await relay.publish(word).catch(() => undefined);
        return received.includes(word);
      }, 'the relay to receive its own message');
    }

    it('every relay receives every message, including its own, in one order', async () => {
      const listeners = await Promise.all([listen(), listen(), listen()]);
      const words = listeners.flatMap((_, who) => Array.from({ length: 200 }, (__, at) => `word ${who} ${at}`));
      await Promise.all(
        listeners.map(({ relay }, who) =>
          Promise.all(Array.from({ length: 200 }, (_, at) => relay.publish(`word ${who} ${at}`))),
        ),
      );
      const wordsOf = ({ received }: { received: string[] }) => received.filter((text) => text.startsWith('word'));
      await until(() => listeners.every((one) => wordsOf(one).length >= words.length), 'all messages');
      const [first, second, third] = listeners.map(wordsOf) as [string[], string[], string[]];
      expect([...first].sort()).toEqual([...words].sort());
      expect(second).toEqual(first);
      expect(third).toEqual(first);
    });

    it('a message may contain 7,000 bytes of any text', async () => {
      const { relay, received } = await listen();
      const text = `"quoted' \\ ${'ä€😀'.repeat(700)}`.slice(0, 2_300);
      await relay.publish(text);
      await until(() => received.includes(text), 'the long text');
    });

    it('a relay reports a lost connection, and reconnects by itself', async () => {
      const { relay, received, losses } = await listen();
      await ground.cut();
      await until(() => losses() === 1, 'the loss to be reported');
      await receivesItself(relay, received);
      relay.reconnect(); // the same, triggered by the caller
      await until(() => losses() === 2, 'the second loss to be reported');
      await receivesItself(relay, received);
    });

    it('a closed relay delivers nothing', async () => {
      const [one, two] = await Promise.all([listen(), listen()]);
      await two.relay.close();
      await receivesItself(one.relay, one.received);
      const before = two.received.length;
      await receivesItself(one.relay, one.received);
      expect([two.received.length, two.losses()]).toEqual([before, 0]);
    });
  });
}

(REDIS_SERVER === undefined ? describe.skip : describe)('a Redis client without the relay secret', () => {
  let server: OwnRedis;
  let redis: Redis;
  let channel: string;
  beforeAll(async () => {
    server = await OwnRedis.start();
    const { servers, ...rest } = testConfig('postgres://localhost/none', { REDIS_URL: server.url }).get(RedisSettings);
    if (!servers) throw new Error('no servers');
    redis = new Redis({ servers, ...rest }, pino({ enabled: false }));
    await redis.open();
    channel = `${redis.prefix}:relay`;
  });
  afterAll(async () => {
    await redis.onApplicationShutdown();
    await server.stop();
  });

  it('cannot forge messages; it can at most repeat real messages', async () => {
    const relay = new RedisRelay(redis, SECRET);
    const stranger = new RedisRelay(redis, 'another secret of more than 32 characters');
    const received: string[] = [];
    const spied: string[] = [];
    try {
      relay.open({ message: (text) => void received.push(text), lost: () => undefined });
      const spy = redis.createSubscriber(channel).on('message', (_channel, text) => void spied.push(text));
      await spy.connect();
      await spy.subscribe(channel);
      await until(async () => {
        await relay.publish('ours');
        return received.length > 0 && spied.length > 0;
      }, 'the relay to receive its own message');
      const mac = 'A'.repeat(43);
      for (const text of ['', 'forged', mac, `${mac}forged`, `${spied[0]}x`, `${spied[0]}`.slice(0, -1)])
        await server.ask((client) => client.publish(channel, text));
      await stranger.publish('forged');
      await server.ask((client) => client.publish(channel, spied[0] as string));
      await relay.publish('last');
      await until(() => received.includes('last'), 'the last message');
      spy.disconnect();
      expect(new Set(received)).toEqual(new Set(['ours', 'last']));
    } finally {
      await relay.close();
    }
  });
});
