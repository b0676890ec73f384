// Checks that only genuine access tokens (HS256) are accepted: forged, changed and expired ones are refused.
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SecuritySettings } from '../../src/shared/security/security.settings.js';
import { mutations, seeded } from '../support/fuzz/random.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type Claims = Record<string, unknown>;
type Signer = (text: string) => string;

let server: TestServer;
let ada: Person;
let genuine: { header: Claims; claims: Claims };
beforeAll(async () => {
  server = await startServer();
  ada = await server.registerUser();
  const [header, claims] = ada.accessToken
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims);
  genuine = { header: header as Claims, claims: claims as Claims };
});
afterAll(() => server.close());

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function forge(header: Claims, claims: Claims, signer: Signer = hmac('sha256')): string {
  const text = `${encode({ ...genuine.header, ...header })}.${encode({ ...genuine.claims, ...claims })}`;
  return `${text}.${signer(text)}`;
}

/** Signs with the server's own secret, so that only the changed header or payload can be the reason for the refusal. */
function hmac(hash: string, key = server.app.get(SecuritySettings).jwtSecret): Signer {
  return (text) => createHmac(hash, key).update(text).digest('base64url');
}

const profile = (token: string) => server.api.get('/api/profile', { token });

it('a token signed again with the server secret is accepted (so the forgeries below fail for their own reason)', async () => {
  expect((await profile(forge({}, { jti: 'another' }))).status).toBe(200);
});

it('a token from a machine whose clock is a few seconds ahead is accepted', async () => {
  expect((await profile(forge({}, { iat: Math.floor(Date.now() / 1000) + 10 }))).status).toBe(200);
});

describe('a forged token is refused', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = Math.floor(Date.now() / 1000);
  const jwk = rsa.publicKey.export({ format: 'jwk' });
  const forgeries: Record<string, () => string> = {
    'without a signature, alg none': () => forge({ alg: 'none' }, {}, () => ''),
    'with alg none in mixed case': () => forge({ alg: 'nOnE' }, {}, () => ''),
    'with alg none and the HS256 signature': () => forge({ alg: 'none' }, {}),
    'without alg': () => forge({ alg: undefined }, {}),
    'with HS384': () => forge({ alg: 'HS384' }, {}, hmac('sha384')),
    'with HS512': () => forge({ alg: 'HS512' }, {}, hmac('sha512')),
    'with RS256 in the header and the HS256 secret as its key': () => forge({ alg: 'RS256' }, {}),
    'with RS256 and a key pair of the attacker': () =>
      forge({ alg: 'RS256', jwk }, {}, (text) =>
        sign('sha256', Buffer.from(text), rsa.privateKey).toString('base64url'),
      ),
    'with HS256 by another secret': () => forge({}, {}, hmac('sha256', 'another secret of more than 32 characters')),
    'with HS256 by an empty secret': () => forge({}, {}, hmac('sha256', '')),
    'with the key in its header': () =>
      forge({ jwk: { kty: 'oct', k: encode('key') }, kid: '../../dev/null' }, {}, hmac('sha256', 'key')),
    'of another issuer': () => forge({}, { iss: 'someone-else' }),
    'without an issuer': () => forge({}, { iss: undefined }),
    'for another audience': () => forge({}, { aud: 'another-api' }),
    'that has expired': () => forge({}, { iat: now - 1_000, exp: now - 1 }),
    'without an expiry time': () => forge({}, { exp: undefined }),
    'with an expiry time that is text': () => forge({}, { exp: String(now + 1_000) }),
    'without a time of issue': () => forge({}, { iat: undefined }),
    'with a time of issue that is text': () => forge({}, { iat: String(now) }),
    'without a user': () => forge({}, { sub: undefined }),
    'without a session': () => forge({}, { sid: undefined }),
    'without a typ': () => forge({ typ: undefined }, {}),
    'with another typ': () => forge({ typ: 'JWT' }, {}),
    'that is not valid yet': () => forge({}, { nbf: now + 1_000 }),
    'with a time of issue in the future': () => forge({}, { iat: now + 600, exp: now + 1_000 }),
    'with a critical extension that the server does not know': () => forge({ crit: ['bound'], bound: true }, {}),
    'with an empty list of critical extensions': () => forge({ crit: [] }, {}),
    'of another session': () => forge({}, { sid: '00000000-0000-7000-8000-000000000000' }),
    'without claims': () => {
      const text = `${encode(genuine.header)}.${encode(null)}`;
      return `${text}.${hmac('sha256')(text)}`;
    },
    'that is a refresh token': () => ada.refreshToken,
  };
  it.each(Object.keys(forgeries))('%s', async (name) => {
    const { status, body } = await profile(forgeries[name]?.() as string);
    expect([status, body.code]).toEqual([401, 'AUTH_TOKEN_INVALID']);
  });

  it('when its user and its session do not belong together', async () => {
    const bob = await server.registerUser('Bob');
    expect((await profile(forge({}, { sid: decode(bob.accessToken).sid }))).status).toBe(401);
  });

  it('when it is one of 400 mutations of a genuine token', async () => {
    const tokens = mutations(ada.accessToken, 400, seeded(7519));
    const statuses = await Promise.all(tokens.map(async (token) => [(await profile(token)).status, token]));
    expect(statuses.filter(([status]) => status !== 401)).toEqual([]);
    expect((await profile(ada.accessToken)).status).toBe(200);
  });
});

function decode(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Claims;
}

it('a token that was accepted before is refused after it expires', async () => {
  const token = forge({}, { exp: Math.floor(Date.now() / 1000) + 2 });
  expect((await profile(token)).status).toBe(200);
  await until(async () => (await profile(token)).status === 401, 'the token to expire');
});

it.each([
  ['no header', undefined],
  ['an empty header', ''],
  ['another scheme', 'Basic YWRhOnNlY3JldA=='],
  ['a bare token', 'TOKEN'],
  ['Bearer alone', 'Bearer'],
  ['two tokens', 'Bearer TOKEN TOKEN'],
  ['a token in quotes', 'Bearer "TOKEN"'],
])('a request with %s in Authorization returns 401 with a challenge', async (_what, header) => {
  const authorization = header?.replaceAll('TOKEN', ada.accessToken);
  const { status, body, headers } = await server.api.get('/api/profile', {
    headers: authorization === undefined ? {} : { authorization },
  });
  expect([status, body.code]).toEqual([401, 'UNAUTHENTICATED']);
  expect(headers.get('www-authenticate')).toBe('Bearer');
});

it('a token in the query, a cookie or the body is ignored', async () => {
  expect((await server.api.get(`/api/profile?token=${ada.accessToken}&access_token=${ada.accessToken}`)).status).toBe(
    401,
  );
  const cookie = `token=${ada.accessToken}; access_token=${ada.accessToken}; jwt=${ada.accessToken}`;
  expect((await server.api.get('/api/profile', { headers: { cookie } })).status).toBe(401);
  expect((await server.api.patch('/api/profile', { access_token: ada.accessToken })).status).toBe(401);
});
