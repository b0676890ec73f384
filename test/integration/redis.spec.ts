// Redis behind its circuit breaker: callers do not wait for a Redis that is down, and it reconnects by itself.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Redis as Plain } from 'ioredis';
import { pino } from 'pino';
import { Redis, RedisUnavailableError } from '../../src/shared/redis/redis.js';
import { readLuaScripts } from '../../src/shared/redis/lua-scripts.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

it('each Lua file documents its purpose, its keys and its return value', () => {
  const scripts = readLuaScripts();
  expect(scripts.length).toBeGreaterThan(5);
  for (const { name, numberOfKeys, lua } of scripts) {
    expect([name, /^-- \S.*\n/.test(lua), /^-- returns \S/m.test(lua)]).toEqual([name, true, true]);
    const header = lua.split('\n').filter((line) => line.startsWith('-- '));
    if (numberOfKeys === 'n') {
      expect([name, header.join(' ')]).toEqual([name, expect.stringContaining('KEYS[at]')]);
      continue;
    }
    const keys = [...lua.matchAll(/KEYS\[(\d+)\]/g)].map(([, at]) => Number(at));
    expect([name, Math.max(...keys)]).toEqual([name, numberOfKeys]);
    const documented = new Set(header.join(' ').match(/KEYS\[\d+\]/g));
    expect([name, documented.size]).toEqual([name, numberOfKeys]);
  }
});

const suite = REDIS_SERVER === undefined ? describe.skip : describe;
suite('a Redis server', () => {
  let server: OwnRedis;
  let redis: Redis;
  const lines: string[] = [];

  beforeAll(async () => {
    server = await OwnRedis.start();
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    redis = new Redis({ servers: { url: server.url }, password: undefined, prefix: 'test' }, logger);
    await redis.open();
  });
  afterAll(async () => {
    await redis.onApplicationShutdown();
    await server.stop();
  });

  const ping = (): Promise<string> => redis.run((client) => (client as Plain).ping());
  const isBack = () => until(() => redis.isUp, 'Redis to be up');

  it('answers, and receives a script again after a SCRIPT FLUSH', async () => {
    expect(await ping()).toBe('PONG');
    await server.ask((client) => client.script('FLUSH'));
    expect(await redis.script('delete-if', ['nothing'], ['token'])).toBe(0);
  });

  it('that hangs is refused within 100 ms, then at once; a plain client waits forever', async () => {
    const plain = new Plain(server.url);
    await plain.ping();
    server.signal('SIGSTOP');
    try {
      let answered = false;
      void plain.ping().then(() => (answered = true));
      const asked = performance.now();
      await expect(ping()).rejects.toThrow(RedisUnavailableError);
      const waited = performance.now() - asked;
      expect(waited).toBeGreaterThan(90);
      expect(waited).toBeLessThan(1_000); // 100 ms and a tolerance for a busy machine
      const before = performance.now();
      for (let at = 0; at < 1_000; at++) await expect(ping()).rejects.toThrow(RedisUnavailableError);
      expect(performance.now() - before).toBeLessThan(1_000);
      expect([redis.isUp, answered]).toEqual([false, false]);
    } finally {
      server.signal('SIGCONT');
    }
    await isBack();
    plain.disconnect();
    expect(await ping()).toBe('PONG');
  });

  it('that is killed counts as down until its restart, and the log reports both once', async () => {
    lines.length = 0;
    for (let kill = 0; kill < 3; kill++) {
      await server.kill();
      await until(() => !redis.isUp, 'the loss to be detected');
      await expect(ping()).rejects.toThrow(RedisUnavailableError);
      await server.up();
      await isBack();
      expect(await ping()).toBe('PONG');
    }
    const logged = lines.map((line) => (JSON.parse(line) as { msg: string }).msg.slice(0, 13));
    expect(logged).toEqual(Array.from({ length: 3 }, () => ['Redis is away', 'Redis answers']).flat());
  });

  it('that was never up is logged with the reason', async () => {
    const logged: string[] = [];
    const logger = pino({}, { write: (line: string) => void logged.push((JSON.parse(line) as { msg: string }).msg) });
    const absent = new Redis({ servers: { url: 'redis://127.0.0.1:1' }, password: undefined, prefix: 'test' }, logger);
    await absent.open();
    expect(absent.isUp).toBe(false);
    expect(logged).toEqual([expect.stringMatching(/^Redis is away \(connect ECONNREFUSED 127.0.0.1:1\)/)]);
    await absent.onApplicationShutdown();
  });

  it('never receives a command twice', async () => {
    await redis.run((client) => client.set('count', 0));
    const sent = redis.run((client) => client.eval(`redis.call('INCR', 'count') while true do end`, 0));
    await expect(sent).rejects.toThrow(RedisUnavailableError);
    await server.kill();
    await server.up();
    await isBack();
    expect(await redis.run((client) => client.get('count'))).toBeNull(); // nothing was stored, and nothing was sent again
  });
});
