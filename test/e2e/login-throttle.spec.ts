// Checks the login throttle: at most ten wrong passwords for an account from all addresses; known devices are not locked out.
// One network that floods the line for password hashes keeps no other one from its login.
import { EventEmitter, once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Semaphore, SemaphoreFullError } from '../../src/shared/libs/semaphore.js';
import { PasswordHasher } from '../../src/shared/security/password-hasher.js';
import { type Answer, cookieOf, type Tokens } from '../support/http/api.js';
import { mutations, seeded } from '../support/fuzz/random.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const ENFORCED = {
  RATE_LIMIT_MODE: 'enforce',
  AUTH_RATE_LIMIT_BURST: '9999/10', // so that the limit of addresses does not interfere
  AUTH_RATE_LIMIT_SUSTAINED: '9999/60',
  TRUST_PROXY: '127.0.0.1/32',
};
const WRONG = 'a wrong password';

let server: TestServer;
let guesses = 0;

/** Logs in from a new address each time. */
function login(email: string, password: string, cookie = ''): Promise<Answer<Tokens & { code?: string }>> {
  const headers = { 'x-forwarded-for': `198.51.100.${++guesses % 250}`, ...(cookie && { cookie }) };
  return server.api.post('/api/auth/login', { email, password }, { headers });
}

async function guess(times: number, email: string, cookie = ''): Promise<number[]> {
  const found: number[] = [];
  for (let at = 0; at < times; at++) found.push((await login(email, WRONG, cookie)).status);
  return found;
}

const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

/** Returns a function that counts the password verifications since this call. */
function watchVerifications(): () => number {
  const spy = jest.spyOn(server.app.get(PasswordHasher), 'verify');
  const before = spy.mock.calls.length;
  return () => spy.mock.calls.length - before;
}

function deviceCookieOf(answer: Answer<unknown>): string {
  return cookieOf(answer)
    .split('; ')
    .find((cookie) => cookie.startsWith('device=')) as string;
}

describe('with a limit of 10 wrong passwords in 15 minutes', () => {
  let ada: Person;
  let device: string;
  beforeAll(async () => void (server = await startServer(ENFORCED)));
  afterAll(() => server.close());
  beforeEach(async () => {
    ada = await server.registerUser();
    device = deviceCookieOf(await login(ada.email, PASSWORD));
    jest.restoreAllMocks();
  });

  it('of 500 concurrent guesses ten are verified, the others get 429 with Retry-After', async () => {
    const verifications = watchVerifications();
    const answers = await Promise.all(times(500, 0).map(() => login(ada.email, WRONG)));
    expect(verifications()).toBe(10);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status !== 401);
    expect(new Set(refused.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(['429 AUTH_ACCOUNT_SLOWED']),
    );
    for (const { headers } of refused) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(880);
      expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(915);
    }
    expect(verifications()).toBe(10);
    expect((await login(ada.email, PASSWORD)).status).toBe(429); // even the right one, from an unknown device
    expect(verifications()).toBe(10);
  });

  it('the eleventh guess is refused in every spelling of the e-mail; other accounts are not affected', async () => {
    const bob = await server.registerUser('Bob');
    expect(await guess(10, ada.email)).toEqual(times(10, 401));
    expect((await login(` ${ada.email.toUpperCase()} `, PASSWORD)).status).toBe(429);
    expect((await login(bob.email, PASSWORD)).status).toBe(200);
  });

  it('a device that logged in to the account before is accepted by its cookie', async () => {
    await guess(11, ada.email);
    expect((await login(ada.email, PASSWORD, device)).status).toBe(200);
    expect((await login(ada.email, PASSWORD, `theme=dark; ${device}`)).status).toBe(200);
    const bob = await server.registerUser('Bob');
    const bobs = deviceCookieOf(await login(bob.email, PASSWORD));
    const [, value = ''] = device.split('=');
    const forged = mutations(value, 60, seeded(1900)).map((text) => `device=${encodeURIComponent(text)}`);
    for (const cookie of [bobs, ...forged, 'device=', 'device', 'device=x.y', 'device=%E0%A4%A'])
      expect([cookie, (await login(ada.email, PASSWORD, cookie)).status]).toEqual([cookie, 429]);
  });

  it('guesses on a known device count only for that device', async () => {
    const another = deviceCookieOf(await login(ada.email, PASSWORD));
    expect(await guess(11, ada.email, device)).toEqual([...times(10, 401), 429]);
    expect((await login(ada.email, PASSWORD, device)).status).toBe(429);
    expect((await login(ada.email, PASSWORD, another)).status).toBe(200);
    expect((await login(ada.email, PASSWORD)).status).toBe(200);
  });

  it('a successful login is not counted', async () => {
    await guess(9, ada.email);
    for (let again = 0; again < 5; again++) expect((await login(ada.email, PASSWORD)).status).toBe(200);
    expect(await guess(2, ada.email)).toEqual([401, 429]);
  });

  it('a login whose password was not verified is not counted', async () => {
    const verify = jest.spyOn(server.app.get(PasswordHasher), 'verify');
    verify.mockImplementation(() => Promise.reject(new SemaphoreFullError('queue is full')));
    expect(await guess(15, ada.email)).toEqual(times(15, 503));
    verify.mockRestore();
    expect((await login(ada.email, PASSWORD)).status).toBe(200);
  });

  it('the account can log in again after the 15 minutes', async () => {
    const [refused] = (await Promise.all(times(12, 0).map(() => login(ada.email, WRONG)))).filter(
      (a) => a.status === 429,
    );
    expect((await login(ada.email, PASSWORD)).status).toBe(429);
    server.advanceClock(Number(refused?.headers.get('retry-after')) * 1000);
    expect((await login(ada.email, PASSWORD)).status).toBe(200);
  });

  it('an account that does not exist gets the same limit', async () => {
    const shown = async (email: string) => {
      const { status, headers, body } = await login(email, WRONG);
      const { code, detail, title } = body as unknown as Record<string, string>;
      const names = [...headers.keys()].sort();
      return { status, names, code, detail, title };
    };
    for (let at = 0; at < 12; at++) expect(await shown('no.such.account@example.com')).toEqual(await shown(ada.email));
    expect(await shown('no.such.account@example.com')).toMatchObject({ status: 429 });
  });

  const change = (person: Person, currentPassword: string, newPassword: string) =>
    person.api.post('/api/auth/password', { currentPassword, newPassword });

  it('wrong current passwords in a password change count too, for their session only', async () => {
    const verifications = watchVerifications();
    const answers = await Promise.all(times(30, 0).map(() => change(ada, WRONG, 'a new battery staple')));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(verifications()).toBe(10);
    expect(await change(ada, PASSWORD, 'a new battery staple')).toMatchObject({
      status: 429,
      body: { code: 'AUTH_ACCOUNT_SLOWED' },
    });
    const another = await server.login(ada.email);
    expect((await change(another, PASSWORD, 'a new battery staple')).status).toBe(204);
    expect((await login(ada.email, 'a new battery staple')).status).toBe(200);
  });

  it('a logged-in user can change the password while others guess it', async () => {
    await guess(11, ada.email);
    expect((await login(ada.email, PASSWORD)).status).toBe(429);
    expect((await change(ada, PASSWORD, 'a new battery staple')).status).toBe(204);
  });

  it('a password change makes all devices unknown, except the one that made it', async () => {
    const changed = await ada.api.post(
      '/api/auth/password',
      { currentPassword: PASSWORD, newPassword: 'a new battery staple' },
      { headers: { cookie: device } },
    );
    await guess(11, ada.email);
    expect((await login(ada.email, 'a new battery staple', device)).status).toBe(429);
    expect((await login(ada.email, 'a new battery staple', deviceCookieOf(changed))).status).toBe(200);
    const root = await server.makeAdmin();
    const reset = await root.api.patch(`/api/users/${ada.user.id}`, { password: 'set by an administrator' });
    expect(reset.status).toBe(200);
    expect((await login(ada.email, 'set by an administrator', deviceCookieOf(changed))).status).toBe(429);
  });

  it('all devices of an account share 16 counters', async () => {
    const devices = [device];
    for (let at = 1; at < 18; at++) devices.push(deviceCookieOf(await login(ada.email, PASSWORD)));
    const numbers = devices.map((one) => Number(one.split('.')[2]));
    expect(new Set(numbers).size).toBe(16);
    const twin = numbers.lastIndexOf(numbers[1] as number);
    expect(twin).toBe(17);
    expect(await guess(11, ada.email, devices[1])).toEqual([...times(10, 401), 429]);
    expect((await login(ada.email, PASSWORD, devices[twin])).status).toBe(429);
    for (const other of [device, devices[2], '']) expect((await login(ada.email, PASSWORD, other)).status).toBe(200);
  });

  it('the device cookie is limited to the API of this site, lasts a year, and keeps its device', async () => {
    const registered = await server.api.post('/api/auth/register', {
      email: 'cookie@example.com',
      password: PASSWORD,
      name: 'Cookie',
    });
    const [, set = ''] = registered.headers.getSetCookie();
    const [pair = '', ...attributes] = set.split('; ');
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=31536000', 'Path=/api', 'SameSite=Strict'].sort());
    expect(pair).toMatch(/^device=[0-9a-f-]{36}\.1\.0\.[\w-]{43}$/);
    expect(deviceCookieOf(await login('cookie@example.com', PASSWORD, pair))).toBe(pair);
    expect(deviceCookieOf(await login('cookie@example.com', PASSWORD))).not.toBe(pair);
    expect(deviceCookieOf(await login(ada.email, PASSWORD, pair))).toContain(ada.user.id);
    expect((await login('cookie@example.com', WRONG)).headers.getSetCookie()).toEqual([]);
  });
});

describe('the throttle in a dry run', () => {
  beforeAll(async () => void (server = await startServer({ ...ENFORCED, RATE_LIMIT_MODE: 'dry-run' })));
  afterAll(() => server.close());

  it('refuses nothing, and logs what it would refuse, without the e-mail', async () => {
    const { email } = await server.registerUser();
    expect(await guess(12, email)).toEqual(times(12, 401));
    expect((await login(email, PASSWORD)).status).toBe(200);
    const warned = server.log.filter((line) => line.includes('the answer would be AUTH_ACCOUNT_SLOWED'));
    expect(warned).toHaveLength(3);
    for (const line of warned) {
      expect(JSON.parse(line)).toMatchObject({ level: 'warn', caller: expect.stringMatching(/^login:[\w-]{43}$/) });
      expect(line).not.toContain(email);
    }
  });
});

describe('the throttle switched off', () => {
  beforeAll(async () => void (server = await startServer({ ...ENFORCED, RATE_LIMIT_MODE: 'off' })));
  afterAll(() => server.close());

  it('verifies every password and counts nothing', async () => {
    const { email } = await server.registerUser();
    expect(await guess(12, email)).toEqual(times(12, 401));
    expect((await login(email, PASSWORD)).status).toBe(200);
    expect(server.log.filter((line) => line.includes('AUTH_ACCOUNT_SLOWED'))).toEqual([]);
  });
});

describe('the line for password hashes, flooded by one network', () => {
  beforeAll(async () => void (server = await startServer(ENFORCED)));
  afterAll(() => server.close());
  afterEach(() => void jest.restoreAllMocks());

  interface HasherParts {
    turns: Semaphore;
    check(hash: string, password: string): Promise<boolean>;
  }

  /** Checks of passwords wait until `open`. The places are those of the server; no caller is too late on a busy machine. */
  function holdChecks() {
    const hasher = server.app.get<PasswordHasher, HasherParts>(PasswordHasher);
    const gate = new EventEmitter();
    const opened = once(gate, 'open');
    const check = hasher.check.bind(hasher);
    const spy = jest.spyOn(hasher, 'check');
    spy.mockImplementation((hash, password) => opened.then(() => check(hash, password)));
    hasher.turns = new Semaphore(2, 32, 60_000);
    return { spy, open: () => void gate.emit('open') };
  }

  const loginFrom = (address: string, email: string, password: string) =>
    server.api.post('/api/auth/login', { email, password }, { headers: { 'x-forwarded-for': address } });

  it.each([
    ['IPv6 networks /64 of one /48', (at: number) => `2001:db8:1:${at.toString(16)}::1`, '2001:db8:2::1'],
    ['IPv4 addresses of one /24', (at: number) => `203.0.113.${at}`, '192.0.2.1'],
  ])('serves a login of another network while 60 %s wait', async (_which, addressOf, other) => {
    const ada = await server.registerUser();
    const { spy, open } = holdChecks();
    const answered: number[] = [];
    const flood = Array.from({ length: 60 }, async (_, at) => {
      answered.push((await loginFrom(addressOf(at), `nobody.${at}@example.com`, WRONG)).status);
    });
    await until(() => answered.length === 26, 'the line to be full');
    expect([answered, spy.mock.calls.length]).toEqual([times(26, 503), 2]);
    const login = loginFrom(other, ada.email, PASSWORD);
    await Promise.race([until(() => answered.length === 27, 'a place in the line'), login]);
    open();
    expect((await login).status).toBe(200);
    await Promise.all(flood);
    expect(answered.sort()).toEqual([...times(33, 401), ...times(27, 503)]);
  });
});
