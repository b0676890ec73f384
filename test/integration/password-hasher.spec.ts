// Password hashes: creation, verification, outdated parameters, and refusal of excessive costs.
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { hash as argon2Hash } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { SecuritySettings } from '../../src/shared/security/security.settings.js';
import { SemaphoreFullError } from '../../src/shared/libs/semaphore.js';
import { PasswordHasher } from '../../src/shared/security/password-hasher.js';
import { testConfig } from '../support/config.js';

jest.setTimeout(60_000);

const PASSWORD = 'correct horse battery staple';
const open = (scheme: string) =>
  new PasswordHasher(testConfig('postgres://db/holdfast', { PASSWORD_HASH: scheme }).get(SecuritySettings));
const argon2id = open('argon2id');
const withBcrypt = open('bcrypt');

describe('argon2id, the default scheme,', () => {
  let stored: string;
  beforeAll(async () => {
    stored = await argon2id.hash(PASSWORD);
  });

  it('uses 19 MiB, two passes, one lane and a salt of 16 bytes (OWASP)', () => {
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    const { passwordHash } = testConfig('postgres://db/holdfast').get(SecuritySettings);
    expect(passwordHash).toBe('argon2id');
  });

  it('creates a different hash each time', async () => {
    expect(await argon2id.hash(PASSWORD)).not.toBe(stored);
  });

  it('accepts its password and no other', async () => {
    expect(await argon2id.verify(stored, PASSWORD)).toBe(true);
    for (const other of ['', `${PASSWORD} `, PASSWORD.toUpperCase(), PASSWORD.slice(0, -1), `${PASSWORD}\0`]) {
      expect([other, await argon2id.verify(stored, other)]).toEqual([other, false]);
    }
  });

  it('uses all characters of passwords of any length and script', async () => {
    expect(argon2id.fits('x'.repeat(1_000))).toBe(true);
    const long = await argon2id.hash(`${'日'.repeat(127)}a`);
    expect(await argon2id.verify(long, `${'日'.repeat(127)}a`)).toBe(true);
    expect(await argon2id.verify(long, `${'日'.repeat(127)}b`)).toBe(false);
  });

  it('is also verified under the other scheme', async () => {
    expect(await withBcrypt.verify(stored, PASSWORD)).toBe(true);
    expect(await withBcrypt.verify(stored, 'wrong')).toBe(false);
  });
});

describe('bcrypt', () => {
  it('uses cost 12 when it is configured', async () => {
    const stored = await withBcrypt.hash(PASSWORD);
    expect(stored).toMatch(/^\$2b\$12\$[./A-Za-z0-9]{53}$/);
    expect(await withBcrypt.verify(stored, PASSWORD)).toBe(true);
    expect(await withBcrypt.verify(stored, 'wrong')).toBe(false);
  });

  it.each(['$2a$', '$2b$', '$2y$'])('verifies hashes of other software: %s', async (prefix) => {
    const stored = (await bcrypt.hash(PASSWORD, 4)).replace('$2b$', prefix);
    expect(await argon2id.verify(stored, PASSWORD)).toBe(true);
    expect(await argon2id.verify(stored, 'wrong')).toBe(false);
  });

  it('refuses passwords of more than 72 bytes, because it ignores the rest', async () => {
    const full = 'é'.repeat(36);
    const stored = await bcrypt.hash(full, 4);
    expect([withBcrypt.fits(full), withBcrypt.fits(`${full}x`)]).toEqual([true, false]);
    expect(await bcrypt.compare(`${full} anything`, stored)).toBe(true); // bcrypt itself ignores the rest
    expect(await argon2id.verify(stored, full)).toBe(true);
    expect(await argon2id.verify(stored, `${full} anything`)).toBe(false);
  });
});

it.each([
  ['argon2id', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$x', false],
  ['argon2id', '$argon2id$v=19$m=19456,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$x', true],
  ['argon2id', '$argon2id$v=19$m=9216,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$x', true],
  ['argon2id', '$argon2id$v=19$m=19456,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$x', true],
  ['argon2id', '$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$x', true],
  ['argon2id', '$2b$12$Pnz7oYUpnGlF7FW.irfvde', true],
  ['bcrypt', '$2b$12$Pnz7oYUpnGlF7FW.irfvde', false],
  ['bcrypt', '$2b$10$Pnz7oYUpnGlF7FW.irfvde', true],
  ['bcrypt', '$2a$12$Pnz7oYUpnGlF7FW.irfvde', true],
  ['bcrypt', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$x', true],
])('under %s, %s is outdated: %s', (scheme, stored, outdated) => {
  expect(open(scheme).isOutdated(stored)).toBe(outdated);
});

describe('a password with two Unicode spellings', () => {
  const [composed, decomposed] = ['Zo\u00eb\u2019s caf\u00e9 au lait', 'Zoe\u0308\u2019s cafe\u0301 au lait'];

  it.each([
    ['argon2id', argon2id],
    ['bcrypt', withBcrypt],
  ])('is the same password under %s', async (_scheme, hasher) => {
    for (const stored of [await hasher.hash(composed), await hasher.hash(decomposed)])
      for (const typed of [composed, decomposed]) {
        expect(await hasher.verify(stored, typed)).toBe(true);
        expect(await hasher.improve(stored, typed)).toBeNull();
      }
  });

  it('is verified in its typed form against an old hash, and gets a new hash', async () => {
    const old = await argon2Hash(decomposed, { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
    expect(await argon2id.verify(old, composed)).toBe(false);
    expect(await argon2id.verify(old, decomposed)).toBe(true);
    const better = (await argon2id.improve(old, decomposed)) as string;
    expect([await argon2id.verify(better, composed), await argon2id.verify(better, decomposed)]).toEqual([true, true]);
  });

  it('must fit into the 72 bytes of bcrypt in its normal form', () => {
    expect(withBcrypt.fits('e\u0301'.repeat(36))).toBe(true); // 108 bytes as typed
    expect(withBcrypt.fits('e\u0301'.repeat(37))).toBe(false);
  });

  it('takes the same time for an unknown account', async () => {
    const checks = jest.spyOn(argon2id as unknown as { check(): Promise<boolean> }, 'check');
    const stored = await argon2id.hash(PASSWORD);
    await argon2id.verify(stored, decomposed);
    const withAccount = checks.mock.calls.length;
    await argon2id.verify(null, decomposed);
    expect(checks.mock.calls.length).toBe(2 * withAccount);
    checks.mockRestore();
  });
});

it('a fresh hash is not outdated', async () => {
  for (const hasher of [argon2id, withBcrypt]) expect(hasher.isOutdated(await hasher.hash(PASSWORD))).toBe(false);
});

describe('verification fails', () => {
  it('without a hash', async () => {
    expect(await argon2id.verify(null, PASSWORD)).toBe(false);
    expect(await argon2id.verify(null, 'no account has this password')).toBe(false);
  });

  // Each hash belongs to this password, but has costs that a login must not pay.
  it.each([
    ['memory', '$argon2id$v=19$m=65544,t=1,p=1$Uh7H1HkAEoSjQmeg3jAdAA$EUJ2+MxCfmOeVaE+5pN9CpO+Ia2t0QamBI0V7nB/2ps'],
    ['passes', '$argon2id$v=19$m=1024,t=11,p=1$IjvbOGuK0VQIJstquktRag$SRtJcNHpMqvJrE9K8UjrkhP09KI5Y1hV0/ohFCjCkSk'],
    ['lanes', '$argon2id$v=19$m=1024,t=1,p=5$q6j3wR8hffuvO9dSCKNOPw$kJzAZPo3+H63eMYgTTAxSBxAY3ePHdxNxZVRTzG6ynw'],
    [
      'another kind of argon2',
      '$argon2i$v=19$m=1024,t=1,p=1$FYSs5YW+ArXfKMyxVjoedg$M0woGehRK84nQ6m8Vexvbg/iINehJEYEapPUzXXoQFA',
    ],
    [
      'another version',
      '$argon2id$v=16$m=1024,t=1,p=1$LRkis/6WuzXW++FWBoyyBA$taHjoFELZhk0BlSbRoSjkNWfjLd80Dw+rG9kHAaGeS8',
    ],
    ['rounds', '$2b$15$0jLms2MxknPHqzFHIDPi1.J83e3twoh4T9SEiwCI9/8feijt4pbMG'],
  ])('with a stored hash of excessive costs: %s', async (_what, stored) => {
    expect(await argon2id.verify(stored, 'right password')).toBe(false);
  });

  it('only because of the costs: the same hash within the limits is verified', async () => {
    const options = { memoryCost: 1_024, timeCost: 10, parallelism: 4 };
    expect(await argon2id.verify(await argon2Hash('right password', options), 'right password')).toBe(true);
  });

  it.each([
    '',
    'plain text',
    '$argon2id$',
    '$argon2id$v=19$m=19456,t=2,p=1$',
    '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$!',
    '$argon2id$v=19$m=0,t=0,p=0$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA',
    '$argon2id$v=19$m=99999999999999999999,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA',
    '$2b$12$',
    '$2b$12$too short',
    '$2x$12$Pnz7oYUpnGlF7FW.irfvdeRZAAbkM.597xsaWdZkRmyf9LPkfR0j6',
  ])('with a damaged hash: %j', async (stored) => {
    expect(await argon2id.verify(stored, PASSWORD)).toBe(false);
    expect(await argon2id.verify(stored, '')).toBe(false);
  });
});

describe('the password hasher under load', () => {
  /** Excludes refusals after a long wait, because they depend on the clock. */
  async function turnedAway(attempts: Array<Promise<unknown>>): Promise<number> {
    const refused = (await Promise.allSettled(attempts)).filter((attempt) => attempt.status === 'rejected');
    for (const { reason } of refused) expect(reason).toBeInstanceOf(SemaphoreFullError);
    return refused.filter(({ reason }) => (reason as Error).message === 'queue is full').length;
  }

  it('runs two, queues 32 and refuses the rest with a retry hint; afterwards it works as usual', async () => {
    const hasher = open('argon2id');
    expect(await turnedAway(Array.from({ length: 100 }, () => hasher.hash(PASSWORD)))).toBe(100 - 34);
    expect(await hasher.verify(await hasher.hash(PASSWORD), PASSWORD)).toBe(true);
  });

  it('queues verifications too, including those of unknown accounts', async () => {
    const hasher = open('argon2id');
    const stored = await hasher.hash(PASSWORD);
    const verified = [null, stored].flatMap((known) =>
      Array.from({ length: 30 }, () => hasher.verify(known, PASSWORD)),
    );
    expect(await turnedAway([...verified, ...Array.from({ length: 40 }, () => hasher.hash(PASSWORD))])).toBe(100 - 34);
  });
});
