// Checks the limits by address for an IPv6 client that has a whole /48: 65,536 networks of /64.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Answer } from '../support/http/api.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(120_000);

const ENFORCED = { RATE_LIMIT_MODE: 'enforce', TRUST_PROXY: '127.0.0.1/32' };
const STRICT_AUTH = { AUTH_RATE_LIMIT_BURST: '1/600', AUTH_RATE_LIMIT_SUSTAINED: '1/600' };
const STRICT = { RATE_LIMIT_BURST: '1/600', RATE_LIMIT_SUSTAINED: '1/600' };

let server: TestServer;
const start = (env: Record<string, string>) => beforeAll(async () => void (server = await startServer(env)));
const stop = () => afterAll(() => server.close());

const addressIn = (site: number, network: number) => `2001:db8:${site.toString(16)}:${network.toString(16)}::1`;
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const statusesOf = (answers: Array<{ status: number }>) => [...new Set(answers.map(({ status }) => status))];

describe('one /48 with a new /64 for each request, where an address has one in 600 s', () => {
  start({ ...ENFORCED, ...STRICT_AUTH });
  stop();
  let count = 0;
  const post = (path: string, body: object, address: string): Promise<Answer<{ detail?: string }>> =>
    server.api.post(`/api/auth/${path}`, body, from(address));

  it.each<[string, number, () => object]>([
    ['register', 201, () => ({ email: `ada.${++count}@example.com`, password: PASSWORD, name: 'Ada' })],
    ['login', 401, () => ({ email: `nobody.${++count}@example.com`, password: 'a wrong password' })],
    ['refresh', 401, () => ({ refreshToken: `no token ${++count}` })],
  ])('%s is refused from its 65th request on; another /48 and IPv4 pass', async (path, status, body) => {
    const first = await post(path, body(), addressIn(1, 0));
    expect([first.status, first.headers.get('ratelimit')]).toEqual([
      status,
      expect.stringMatching(/^"burst";r=0;t=\d+, "sustained";r=0;t=\d+$/),
    ]);
    for (let network = 1; network < 64; network++)
      expect([network, (await post(path, body(), addressIn(1, network))).status]).toEqual([network, status]);
    for (const network of [64, 65, 0xffff]) {
      const refused = await post(path, body(), addressIn(1, network));
      expect([refused.status, refused.body.detail]).toEqual([
        429,
        'The sustained limit of 64 in 600 s of your /48 network is used up.',
      ]);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(500);
    }
    const own = await post(path, body(), addressIn(1, 0));
    expect([own.status, own.body.detail]).toEqual([429, expect.stringContaining('sustained limit of')]);
    for (const other of [addressIn(2, 0), '192.0.2.1', '2002:c000:202::1'])
      expect([other, (await post(path, body(), other)).status]).toEqual([other, status]);
  });
});

describe('one /48 on all routes', () => {
  start({ ...ENFORCED, ...STRICT_AUTH, ...STRICT });
  stop();

  interface Operation {
    responses: Record<string, unknown>;
  }

  it('each limited route counts the /48 of a request without a token', async () => {
    const { body } = await server.api.get<{ paths: Record<string, Record<string, Operation>> }>('/docs/openapi.json');
    const limited = Object.entries(body.paths).flatMap(([path, item]) =>
      Object.entries(item).flatMap(([method, { responses }]) =>
        responses && '429' in responses
          ? [{ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, 'x') }]
          : [],
      ),
    );
    expect(limited.length).toBeGreaterThan(50);
    const routes = [...limited, { method: 'GET', path: '/api/nothing' }];
    const wrong: string[] = [];
    for (const [site, { method, path }] of routes.entries()) {
      const ask = async (address: string): Promise<number> => {
        const answer = await fetch(server.url + path, { method, redirect: 'manual', ...from(address) });
        await answer.arrayBuffer();
        return answer.status;
      };
      const crowd = await Promise.all(Array.from({ length: 64 }, (_, network) => ask(addressIn(site, network))));
      const [refused, passed] = [await ask(addressIn(site, 64)), await ask(addressIn(0x1000 + site, 0))];
      if (crowd.includes(429) || refused !== 429 || passed === 429)
        wrong.push(`${method} ${path}: ${[...new Set(crowd)].join(' ')}, then ${refused}, elsewhere ${passed}`);
    }
    expect(wrong).toEqual([]);
  });

  it('does not limit a user with a token by its address', async () => {
    const { api } = await server.registerUser();
    const crowd = Array.from({ length: 80 }, (_, network) =>
      server.api.get('/api/tasks', from(addressIn(0xff, network))),
    );
    expect(statusesOf(await Promise.all(crowd))).toEqual([401, 429]);
    expect((await api.get('/api/tasks', from(addressIn(0xff, 0x100)))).status).toBe(200);
  });
});
