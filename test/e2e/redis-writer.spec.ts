// Checks that an attacker with access to the Redis of the cache reads nothing in plain text, and that forged values are ignored.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CacheService } from '../../src/shared/cache/cache.service.js';
import type { MemoryStore } from '../../src/shared/cache/memory.store.js';
import type { User } from '../support/http/api.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const suite = REDIS_SERVER === undefined ? describe.skip : describe;
suite('an attacker with access to Redis, but without the secrets,', () => {
  let redis: OwnRedis;
  let server: TestServer;
  let ada: Person;
  let root: Person;

  beforeAll(async () => {
    redis = await OwnRedis.start();
    server = await startServer({ REDIS_URL: redis.url });
    root = await server.makeAdmin();
  });
  afterAll(async () => {
    await server.close();
    await redis.stop();
  });
  beforeEach(async () => {
    ada = await server.registerUser();
    await readAll();
  });

  /** Reads until the cache holds all callers, and the two accounts as an administrator reads them. */
  async function readAll(): Promise<void> {
    await until(async () => {
      forgetHere(); // so that the process reads from Redis instead of its memory
      expect((await ada.api.get('/api/profile')).status).toBe(200);
      for (const { user } of [ada, root]) expect((await root.api.get(`/api/users/${user.id}`)).status).toBe(200);
      return (await keysOf(`user:${ada.user.id}`)).length > 0; // a process that has just started does not write values at first
    }, 'the values to be in Redis');
  }

  const keysOf = (part: string): Promise<string[]> => redis.ask((client) => client.keys(`holdfast:v:*${part}*`));

  /** Empties the memory layer, so that the process has only the values in Redis. */
  const forgetHere = (): void => server.app.get<unknown, { memory: MemoryStore }>(CacheService).memory.clear();

  async function replaceValues(change: (value: Buffer, key: string) => Buffer): Promise<number> {
    const keys = await keysOf('');
    return redis.ask(async (client) => {
      for (const key of keys) {
        const value = await client.getBuffer(key);
        if (value) await client.set(key, change(value, key), 'PX', 60_000);
      }
      return keys.length;
    });
  }

  async function expectNothingChanged(): Promise<void> {
    forgetHere();
    expect((await ada.api.get('/api/users')).status).toBe(403);
    const profile = await ada.api.get<User>('/api/profile');
    expect([profile.status, profile.body.id, profile.body.role]).toEqual([200, ada.user.id, 'USER']);
    expect((await ada.api.patch<User>('/api/profile', { age: 36 })).body.role).toBe('USER');
    expect((await root.api.get<User>(`/api/users/${ada.user.id}`)).body).toMatchObject({
      id: ada.user.id,
      role: 'USER',
    });
    const [row] = await server.sql<{ role: string }>('SELECT role FROM users WHERE uuid = $1', ada.user.id);
    expect(row?.role).toBe('USER');
  }

  it('finds no profile in plain text', async () => {
    const found = await redis.ask(async (client) => {
      const keys = await client.keys('*');
      const strings = keys.filter((key) => key.startsWith('holdfast:v:'));
      const values = await Promise.all(strings.map((key) => client.getBuffer(key)));
      return { keys: keys.join('\n'), values: values.map((value) => value?.toString('latin1')).join('\n') };
    });
    expect(found.values.length).toBeGreaterThan(500);
    for (const clear of [ada.email, 'Ada', '"role"', 'USER', 'ADMIN']) expect(found.values).not.toContain(clear);
    expect(found.keys).not.toContain('@');
  });

  it('cannot make a user an administrator by editing a value', async () => {
    const edit = (value: Buffer): Buffer => Buffer.from(value.toString('latin1').replaceAll('USER', 'ADMIN'), 'latin1');
    expect(await replaceValues(edit)).toBeGreaterThan(1);
    await expectNothingChanged();
  });

  it('cannot change a value by a single bit, and the value is not in the log', async () => {
    const flip = (value: Buffer): Buffer => {
      value.writeUInt8(value.readUInt8(20) ^ 1, 20);
      return value;
    };
    await replaceValues(flip);
    await expectNothingChanged();
    const warned = server.log.filter((line) => line.includes('Ignored a value in Redis'));
    expect(warned.map((line) => (JSON.parse(line) as { key: string }).key)).toContain(`user:${ada.user.id}`);
    expect(warned.join('')).not.toContain('Ada');
  });

  it('cannot use the value of another key', async () => {
    const [roots, adas] = await Promise.all([keysOf(`user:${root.user.id}`), keysOf(`user:${ada.user.id}`)]);
    await redis.ask(async (client) => {
      const value = (await client.getBuffer(roots[0] as string)) as Buffer;
      await client.set(adas[0] as string, value);
    });
    await expectNothingChanged();
  });

  it('cannot use a self-made value with the current stamps, even with the right key', async () => {
    const [known = ''] = await keysOf(`user:${ada.user.id}`);
    const sid = (
      JSON.parse(Buffer.from(ada.accessToken.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }
    ).sid;
    const [row] = await server.sql<{ id: string }>('SELECT id FROM users WHERE uuid = $1', ada.user.id);
    const tags = [`session:${sid}`, `user:${ada.user.id}`];
    await redis.ask(async (client) => {
      const stamps = await Promise.all(tags.map((tag) => client.get(`holdfast:s:{${tag}}`)));
      const profile = { json: JSON.stringify({ ...ada.user, role: 'ADMIN' }), version: 1, etag: '"1"', tag: '"1"' };
      const ids = { id: ada.user.id, key: row?.id, sessionId: sid };
      const value = { ...ids, role: 'ADMIN', profile, endsAt: Date.now() + 600_000 };
      const entry = { value, tags, expiresAt: Date.now() + 600_000, cost: 1, stamps };
      const key = known.replace(`{user:${ada.user.id}}`, `{principal:${sid}}`);
      await client.set(key, `AAAAAAAAAAAA${JSON.stringify(entry)}`, 'PX', 600_000);
    });
    await expectNothingChanged();
  });

  it('cannot keep a user an administrator by restoring all earlier values', async () => {
    const second = await server.makeAdmin('Second');
    expect((await second.api.get('/api/users')).status).toBe(200);
    const before = await redis.ask(async (client) => {
      const keys = (await client.keys('holdfast:*')).filter((key) => /^holdfast:(v|s|epoch)/.test(key));
      return Promise.all(keys.map(async (key) => [key, (await client.getBuffer(key)) as Buffer] as const));
    });
    expect((await root.api.patch(`/api/users/${second.user.id}`, { role: 'USER' })).status).toBe(200);
    const replay = () =>
      redis.ask(async (client) => {
        for (const [key, value] of before) await client.set(key, value);
      });
    await replay();
    forgetHere();
    expect((await second.api.get('/api/users')).status).toBe(401); // the new role ended the sessions
    await replay();
    forgetHere();
    const again = await server.login(second.email);
    expect((await again.api.get('/api/users')).status).toBe(403);
  });

  it.each([
    ['empty', ''],
    ['short', 'x'],
    ['JSON', '{}'],
    ['invalid JSON', 'AAAAAAAAAAAA{'],
    ['long', 'x'.repeat(100_000)],
  ])('cannot make a request fail with a value that is %s', async (_what, value) => {
    await replaceValues(() => Buffer.from(value));
    forgetHere();
    expect((await root.api.get<User>(`/api/users/${ada.user.id}`)).body).toMatchObject({ id: ada.user.id });
    expect((await ada.api.get('/api/profile')).status).toBe(200);
  });
});
