// Redaction of log lines: secrets of every shape are removed, and harmless lines stay unchanged.
import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createLogger } from '../../src/shared/logging/logger.js';
import { redactSecrets } from '../../src/shared/logging/redact.js';
import { testConfig } from '../support/config.js';

const JWT =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk5MGE1ZSIsImV4cCI6MTc2MzcwMDAwMH0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const REFRESH = 'rt.01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11.12.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const MAC = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const [LINK, LINK_REDACTED] = [MAC, '[mac]'].map((mac) => `01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11.${mac}`) as [
  string,
  string,
];
const [DEVICE, DEVICE_REDACTED] = [MAC, '[mac]'].map((mac) => `Uh7H1HkAEoSjQmeg3jAdAA.${mac}`) as [string, string];
const ARGON2 = '$argon2id$v=19$m=19456,t=2,p=1$Uh7H1HkAEoSjQmeg3jAdAA$EUJ2+MxCfmOeVaE+5pN9CpO+Ia2t0QamBI0V7nB/2ps';
const BCRYPT = '$2b$12$Pnz7oYUpnGlF7FW.irfvdeRZAAbkM.597xsaWdZkRmyf9LPkfR0j6';
const LONG = 'correct horse, "battery" {staple} & \\ co.: ünï@/?=';

/** Parts of a secret are secret too: no four consecutive characters may remain. */
function expectNothingOf(secret: string, line: string): void {
  for (let at = 0; at + 4 <= secret.length; at++) expect(line).not.toContain(secret.slice(at, at + 4));
}

describe('a credential is redacted anywhere in a line', () => {
  it.each([
    ['JWT', JWT, '[jwt]'],
    ['JWT without its signature', JWT.slice(0, JWT.lastIndexOf('.') + 1), '[jwt]'],
    ['refresh token', REFRESH, '[refresh-token]'],
    ['argon2id hash', ARGON2, '[password-hash]'],
    ['bcrypt hash', BCRYPT, '[password-hash]'],
    ['signed link', LINK, LINK_REDACTED],
    ['device cookie', DEVICE, DEVICE_REDACTED],
    ['bcrypt hash of another implementation', BCRYPT.replace('$2b$', '$2y$'), '[password-hash]'],
  ])('%s', (_what, secret, instead) => {
    expect(redactSecrets(`before ${secret} after`)).toBe(`before ${instead} after`);
    expect(redactSecrets(JSON.stringify({ nested: { list: [secret, `${secret} ${secret}`] } }))).toBe(
      JSON.stringify({ nested: { list: [instead, `${instead} ${instead}`] } }),
    );
    expect(redactSecrets(`GET /ws/updates?token=${secret}&since=3`)).not.toContain(secret.slice(0, 20));
  });

  it.each([
    ['postgres://holdfast:open-sesame@db:5432/holdfast', 'postgres://holdfast:[password]@db:5432/holdfast'],
    ['redis://:open-sesame@cache:6379', 'redis://:[password]@cache:6379'],
    ['amqp://u:p%40ss%2Fword@mq and http://a:b@c', 'amqp://u:[password]@mq and http://a:[password]@c'],
    ['postgres://u:raw@sign@db/x', 'postgres://u:[password]@db/x'],
    ['{"msg":"connect postgres://u:s3same@db"}', '{"msg":"connect postgres://u:[password]@db"}'],
  ])('the password in the URL %s is redacted', (line, redacted) => {
    expect(redactSecrets(line)).toBe(redacted);
  });
});

describe('the value of a member with a secret name is redacted', () => {
  const NAMES = ['password', 'currentPassword', 'newPassword', 'accessToken', 'refreshToken', 'token', 'secret'];

  it.each([...NAMES, 'authorization', 'cookie', 'PASSWORD'])('%s', (name) => {
    const line = JSON.stringify({ a: 1, [name]: 'open-sesame', b: 2 });
    expect(redactSecrets(line)).toBe(JSON.stringify({ a: 1, [name]: '[redacted]', b: 2 }));
    expect(redactSecrets(`?x=1&${name}=open-sesame&y=2`)).toBe(`?x=1&${name}=[redacted]&y=2`);
    expectNothingOf('open-sesame', redactSecrets(JSON.stringify({ body: line })));
    expectNothingOf('open-sesame', redactSecrets(JSON.stringify({ body: JSON.stringify({ line }) })));
  });

  it.each([LONG, '"', '\\', 'ends in \\', '\\"\\\\"', ''])('to its end, with any characters: %s', (password) => {
    const line = JSON.stringify({ password, then: 'kept' });
    expect(redactSecrets(line)).toBe('{"password":"[redacted]","then":"kept"}');
  });

  it('to its end within quoted JSON', () => {
    const inner = JSON.stringify({ password: LONG, then: 'kept' });
    const line = redactSecrets(JSON.stringify({ body: inner, deeper: JSON.stringify({ inner }) }));
    for (const word of ['correct', 'horse', 'battery', 'staple', 'ünï']) expect(line).not.toContain(word);
    expect(line.match(/kept/g)).toHaveLength(2);
    expectNothingOf('open-sesame', redactSecrets('a line that was cut: {\\"password\\":\\"open-sesame'));
  });

  it('for every scheme of an Authorization header', () => {
    expectNothingOf('dXNlcjpvcGVuLXNlc2FtZQ==', redactSecrets('{"authorization":"Basic dXNlcjpvcGVuLXNlc2FtZQ=="}'));
    expectNothingOf('opaque-key-4711', redactSecrets('authorization: Bearer opaque-key-4711'));
  });
});

describe('redacting a hostile line takes no longer than a harmless line of its length', () => {
  const MIB = 1_048_576;
  const QUOTES = '\\'.repeat(7);
  const shapes: Record<string, string> = {
    'beginnings of JWTs': 'eyJ',
    'first parts of JWTs': 'eyJhbGciOiJI.',
    'JWTs without a signature': 'eyJhbGciOiJI.eyJhbGciOiJI ',
    'JWTs whose second part is short': 'eyJhbGciOiJI.x.',
    'refresh tokens without an end': 'rt.01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11.12345',
    dots: '.',
    'dots and letters': '.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    'beginnings of hashes': '$argon2id$v',
    slashes: '/',
    'users of URLs': '//user:',
    'passwords of URLs without a host': '//a:bbbbbbb',
    colons: '//:',
    'names of secrets': 'token',
    'names of secrets and blanks': 'token          ',
    'members without a value': '"token" :   ',
    'members that never end': '"token":"\\',
    'members in quotes that never end': `token${QUOTES}":${QUOTES}"`,
    'backslashes after a name': `token${'\\'.repeat(1_000)}`,
    headers: 'cookie: ',
    backslashes: '\\',
    quotes: '"',
    blanks: ' ',
    zeros: '0',
  };

  /** CPU time of this process: the load of the machine does not change it. */
  const millisecondsFor = (line: string): number => {
    const { user: before } = process.cpuUsage();
    redactSecrets(line);
    return (process.cpuUsage().user - before) / 1_000;
  };
  const filled = (shape: string, size: number): string => shape.repeat(Math.ceil(size / shape.length)).slice(0, size);
  const harmless = millisecondsFor(filled('a word, and a number: 12; ', MIB));

  it.each(Object.entries(shapes))('%s', (_name, shape) => {
    // The smaller line runs first: a quadratic pattern would take minutes for the larger one.
    for (const size of [MIB / 16, MIB]) expect(millisecondsFor(filled(shape, size))).toBeLessThan(200 + 20 * harmless);
    for (const head of ['eyJ', '"token":"', 'token\\":\\"', 'cookie: ', '//a:', 'rt.'])
      expect(millisecondsFor(head + filled(shape, MIB / 16))).toBeLessThan(200 + 20 * harmless);
  });
});

it.each([
  '{"level":"info","time":"2030-01-31T09:00:00.000Z","requestId":"a-1","method":"GET","route":"/api/tasks/:id","ms":1.2}',
  '{"msg":"INVALID_JSON on POST /api/auth/password","user":"01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11"}',
  '{"tokenType":"Bearer","passwordHash":null,"secretary":"Ada","hasPassword":true}',
  'Holdfast 0.1.0 serves on http://localhost:3000 after 1.2 s: see http://localhost:3000/docs',
  'postgres://localhost:5432/holdfast postgres://user@db/holdfast mail@example.com',
  'Demo accounts: demo-admin@holdfast.example (forgot the passwords? npm run db:seed -- --new-passwords)',
  'costs $2 or $20, 2$b, rt.exe, eyJ, a.b.c',
])('a harmless line stays unchanged: %s', (line) => {
  expect(redactSecrets(line)).toBe(line);
});

it('log lines are redacted, including their attached data', () => {
  const written: string[] = [];
  const out = new Writable({ write: (chunk: Buffer, _encoding, done) => done(void written.push(chunk.toString())) });
  const logger = createLogger(testConfig('postgres://db/holdfast', { LOG_FORMAT: 'json' }), out);
  logger.info(
    { body: { password: LONG, list: [JWT] }, err: new Error(`refused ${REFRESH}`) },
    `connect to //u:s3same@db`,
  );
  const [line = ''] = written;
  expect(JSON.parse(line)).toMatchObject({
    msg: 'connect to //u:[password]@db',
    body: { password: '[redacted]', list: ['[jwt]'] },
    err: { message: 'refused [refresh-token]' },
  });
  for (const secret of ['correct', JWT.slice(-20), REFRESH.slice(-20), 's3same']) expect(line).not.toContain(secret);
});
