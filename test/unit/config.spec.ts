// The configuration: all faults in one message without secrets, and the secrets generated in development.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import '../../src/app.module.js'; // declares all settings
import { DocsSettings } from '../../src/common/http/docs/docs.settings.js';
import { HttpSettings } from '../../src/common/http/http.settings.js';
import { loadConfig } from '../../src/shared/config/app-config.js';
import { ConfigError } from '../../src/shared/config/config-error.js';
import { ensureDevSecrets } from '../../src/shared/config/dev-secrets.js';
import { readEnv } from '../../src/shared/config/environment.js';
import { ProcessSettings } from '../../src/shared/config/process.settings.js';
import { weaknessOfSecret } from '../../src/shared/config/production-rules.js';
import { definedAreas } from '../../src/shared/config/settings.js';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { LoggingSettings } from '../../src/shared/logging/logging.settings.js';
import { RateLimitSettings } from '../../src/shared/rate-limits/rate-limits.settings.js';
import { RedisSettings } from '../../src/shared/redis/redis.settings.js';
import { SecuritySettings } from '../../src/shared/security/security.settings.js';

const base = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
afterAll(() => rmSync(base, { recursive: true }));

const long = 'a secret of more than 32 characters';
const secrets = { JWT_SECRET: `${long} (jwt)`, SESSION_SECRET: `${long} (session)`, COOKIE_SECRET: `${long} (cookie)` };
const homeless = { NODE_ENV: 'production', ...secrets };
const services = { DATABASE_HOST: 'db', REDIS_HOST: 'redis', RABBITMQ_URL: 'amqp://rabbit' };
const production = { ...homeless, ...services };

function faultsOf(env: Record<string, string>): string[] {
  try {
    readEnv(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe('the configuration', () => {
  it('reports all faults in one message, one line per variable, with its description', () => {
    expect(() => readEnv({ PORT: '70000', LOG_LEVEL: 'loud', EMBEDDED: 'perhaps' })).toThrow(
      new ConfigError([
        'PORT must be a valid port (Port to listen on; 0 picks a free one)',
        'LOG_LEVEL must be one of [debug, info, warn, error] (Minimum level of log lines)',
        'EMBEDDED must be a boolean (Allows production to run on the embedded engines; it never falls back to them silently)',
      ]),
    );
    expect(new ConfigError(['one', 'two']).message).toBe('The configuration has 2 faults:\n  - one\n  - two');
  });

  it('never reports the value of a secret', () => {
    const values = {
      JWT_SECRET: 'too short, jwt',
      SESSION_SECRET: 'too short, session',
      COOKIE_SECRET: 'too short, cookie',
      DATABASE_URL: 'mysql://root:open-sesame@db/holdfast',
      DATABASE_HOST: 'postgres://root:open-sesame@db',
    };
    const faults = faultsOf({ NODE_ENV: 'production', ...values });
    expect(faults.length).toBeGreaterThanOrEqual(5);
    expect(faults.join('\n')).not.toMatch(/too short|sesame/);
  });

  it('refuses missing secrets, and secrets of fewer than 32 characters, in production', () => {
    const lines = (rule: string) => Object.keys(secrets).map((name) => expect.stringMatching(`^${name} ${rule}`));
    expect(faultsOf({ NODE_ENV: 'production', ...services })).toEqual(lines('is required'));
    const short = Object.fromEntries(Object.keys(secrets).map((name) => [name, 'x'.repeat(31)]));
    const faults = faultsOf({ ...production, ...short });
    expect(faults.filter((line) => !line.includes('must differ'))).toEqual(
      lines('length must be at least 32 characters long'),
    );
    expect(faultsOf({ ...production, ...secrets })).toEqual([]);
  });

  it.each([
    ['32 equal characters', 'x'.repeat(32), 'has fewer than 8 different characters'],
    ['blanks', ' '.repeat(40), 'has fewer than 32 characters besides blanks'],
    ['tabs and a few characters', `secret${'\t'.repeat(40)}`, 'has fewer than 32 characters besides blanks'],
    ['few characters', 'abcabacbcabcbacbacbabcabacbabcabacb', 'has fewer than 8 different characters'],
    ['a short secret twice and a rest', '9f8Jq2Lm0ZxR9f8Jq2Lm0ZxR9f8Jq2Lm0Z', 'repeats the same characters'],
    ['a word with a counter', 'secret1secret2secret3secret4secret5', 'repeats the same characters'],
    ['a phrase twice and a punctuation mark', 'mySuperSecureSecretmysupersecuresecret!', 'repeats the same characters'],
    ['the same words in another order', 'correct-horse-battery-horse-battery-correct', 'repeats the same characters'],
    ['a UUID twice', 'b0b3d5f1-27c4-4a36-b0b3d5f1-27c4-4a36-', 'repeats the same characters'],
    ['the alphabet', 'abcdefghijklmnopqrstuvwxyz0123456789', 'counts through the alphabet or the digits'],
    ['descending digits', '98765432109876543210zyxwvutsrqponmlk', 'counts through the alphabet or the digits'],
    ['a placeholder', 'Change-Me! in production, please: 4711', 'is a placeholder from documentation'],
    [
      'an example of the source documents',
      'your-32-char-secret, made a bit longer',
      'is a placeholder from documentation',
    ],
    ['the example of jwt.io', 'a-string-secret-at-least-256-bits-long', 'is a placeholder from documentation'],
    ['keyboard rows', 'qwertyuiopasdfghjklzxcvbnmQWERTYUIOP', 'is a placeholder from documentation'],
  ])('refuses a secret of %s in production, with the reason and a cure', (_what, secret, reason) => {
    for (const name of Object.keys(secrets)) {
      expect(faultsOf({ ...production, [name]: secret })).toEqual([
        expect.stringMatching(`^${name} ${reason}: make one with \`openssl rand -base64 48\` \\(`),
      ]);
      expect(faultsOf({ [name]: secret })).toEqual([]); // development accepts it
    }
  });

  it('accepts random secrets in production', () => {
    for (let run = 0; run < 2_000; run++) {
      const [hex, url] = [randomBytes(16).toString('hex'), randomBytes(48).toString('base64url')];
      expect([weaknessOfSecret(hex), weaknessOfSecret(url)]).toEqual([null, null]);
    }
  });

  it('refuses the same value for two or more secrets in production', () => {
    const { JWT_SECRET, SESSION_SECRET } = secrets;
    const session = expect.stringMatching(/^SESSION_SECRET must differ from JWT_SECRET: make one with/);
    const cookie = expect.stringMatching(
      /^COOKIE_SECRET must differ from JWT_SECRET and SESSION_SECRET: make one with/,
    );
    expect(faultsOf({ ...production, SESSION_SECRET: JWT_SECRET })).toEqual([session]);
    expect(faultsOf({ ...production, COOKIE_SECRET: JWT_SECRET })).toEqual([cookie]);
    expect(faultsOf({ ...production, COOKIE_SECRET: SESSION_SECRET })).toEqual([cookie]);
    expect(faultsOf({ ...production, SESSION_SECRET: JWT_SECRET, COOKIE_SECRET: JWT_SECRET })).toEqual([
      session,
      cookie,
    ]);
    expect(faultsOf({ SESSION_SECRET: JWT_SECRET, COOKIE_SECRET: JWT_SECRET, JWT_SECRET })).toEqual([]);
  });

  it.each([
    '0.0.0.0/1, 128.0.0.0/1',
    '10.0.0.0/7',
    '::/1',
    '2000::/3',
    'fd00::/8',
    '::ffff:0.0.0.0/97',
    '127.0.0.1, 64.0.0.0/2',
  ])('refuses the trusted proxies %s in production', (ranges) => {
    expect(faultsOf({ ...production, TRUST_PROXY: ranges })).toEqual([
      expect.stringMatching(/^TRUST_PROXY must name your proxies alone: in a range wider than \/8/),
    ]);
    expect(faultsOf({ TRUST_PROXY: ranges })).toEqual([]);
  });

  it('requires a database, Redis and RabbitMQ in production unless the embedded engines are enabled', () => {
    const rest = 'is required in production (or set EMBEDDED=true to run on the embedded engines)';
    const database = `DATABASE_URL or DATABASE_HOST ${rest}`;
    const redis = `REDIS_URL or REDIS_HOST or REDIS_CLUSTER_NODES ${rest}`;
    const rabbit = `RABBITMQ_URL ${rest}`;
    expect(faultsOf(homeless)).toEqual([database, redis, rabbit]);
    expect(faultsOf({ ...homeless, EMBEDDED: 'false' })).toEqual([database, redis, rabbit]);
    expect(faultsOf({ ...homeless, EMBEDDED: 'true' })).toEqual([]);
    const urls = { DATABASE_URL: 'postgres://db/holdfast', RABBITMQ_URL: 'amqp://rabbit' };
    expect(faultsOf({ ...homeless, ...urls })).toEqual([redis]);
    const ways = { REDIS_URL: 'redis://r', REDIS_HOST: 'r', REDIS_CLUSTER_NODES: 'r:6379' };
    for (const [name, value] of Object.entries(ways))
      expect(faultsOf({ ...homeless, ...urls, [name]: value })).toEqual([]);
    expect(faultsOf({ ...homeless, REDIS_HOST: 'redis' })).toEqual([database, rabbit]);
  });

  it('refuses a Redis Cluster together with a single Redis', () => {
    for (const single of ['REDIS_URL', 'REDIS_HOST'])
      expect(faultsOf({ [single]: single === 'REDIS_URL' ? 'redis://r' : 'r', REDIS_CLUSTER_NODES: 'r:6379' })).toEqual(
        [`${single} and REDIS_CLUSTER_NODES exclude each other; set one of them`],
      );
  });

  it.each(['5', '5/', '/10', '0/10', '5/0', '-5/10', '5/10s', '5 / 10', '5/10/60'])('refuses the rate %s', (rate) => {
    expect(faultsOf({ RATE_LIMIT_BURST: rate })).toEqual([
      expect.stringMatching(/^RATE_LIMIT_BURST must be <requests>\/<seconds>, like 5\/10/),
    ]);
  });
});

/** Blocks of variables as the documentation of comparable servers prints them. */
const BLOCKS = {
  'one variable per line, with both URL and host': `
# Core Configuration
NODE_ENV=development
PORT=3000
TZ=UTC

# Security
JWT_SECRET=your-32-char-secret
SESSION_SECRET=your-32-char-secret
COOKIE_SECRET=your-32-char-secret

# Database
DATABASE_HOST=localhost
DATABASE_PORT=5432
DATABASE_USER=postgres
DATABASE_PASSWORD=password
DATABASE_NAME=nest_app

# Redis
REDIS_URL=redis://localhost:6379
REDIS_HOST=localhost
REDIS_PORT=6379

# RabbitMQ
RABBITMQ_URL=amqp://localhost:5672
RABBITMQ_QUEUE=nest_app_queue
`,
  'comments after the values': `
PORT=3001                    # Server port
NODE_ENV=development         # Environment mode
CACHE_TTL=60                # Cache TTL in seconds
CACHE_CAPACITY=1000         # Maximum cache entries
`,
};

describe('a documented block of environment variables', () => {
  it.each(Object.entries(BLOCKS))('is accepted, except for its example secrets: %s', (_title, block) => {
    const given = parseEnv(block) as Record<string, string>; // in the way Node reads .env
    const known = definedAreas().flatMap(({ variables }) => variables.map(({ name }) => name));
    expect(known).toEqual(expect.arrayContaining(Object.keys(given)));
    const examples = Object.keys(secrets).filter((name) => name in given);
    expect(faultsOf(given).map((fault) => fault.split(' ')[0])).toEqual(examples);
    const env = readEnv({ ...given, ...secrets });
    for (const [name, value] of Object.entries(given))
      if (!examples.includes(name)) expect(String(env[name])).toBe(value);
  });
});

describe('configuration settings', () => {
  it('an empty value counts as absent, and unknown variables are ignored', () => {
    expect(readEnv({ PORT: '', HOST: '', JWT_SECRET: '', PATH: '/bin' })).toEqual(readEnv({}));
  });

  it('development settings apply without NODE_ENV, except demo accounts in an external database', () => {
    const settings = (env: Record<string, string>): [string, boolean] => {
      const config = loadConfig({ DATA_DIR: join(base, 'demo'), ...env });
      return [config.get(ProcessSettings).environment, config.get(DatabaseSettings).hasDemoAccounts];
    };
    const database = { DATABASE_URL: 'postgres://db/holdfast' };
    expect(settings({})).toEqual(['development', true]);
    expect(settings(database)).toEqual(['development', false]);
    expect(settings({ DATABASE_HOST: 'db' })).toEqual(['development', false]);
    expect(settings({ ...database, NODE_ENV: 'development' })).toEqual(['development', true]);
    expect(settings({ ...production })).toEqual(['production', false]);
    expect(settings({ NODE_ENV: 'test' })).toEqual(['test', false]);
  });

  it.each([
    ['to everyone in development', {}, 'on'],
    ['to administrators in production', production, 'admin'],
    ['as DOCS sets it', { ...production, DOCS: 'on' }, 'on'],
    ['never with DOCS=off', { DOCS: 'off' }, 'off'],
  ])('expose the OpenAPI document %s', (_what, env, docs) => {
    expect(loadConfig(env).get(DocsSettings).audience).toBe(docs);
  });

  it('are deeply frozen', () => {
    const config = loadConfig({ ...production, CORS_ORIGINS: 'https://a.example, https://b.example' });
    const [http, rateLimits] = [config.get(HttpSettings), config.get(RateLimitSettings)];
    expect(http.corsOrigins).toEqual(['https://a.example', 'https://b.example']);
    expect(rateLimits.auth).toEqual({ burst: { quota: 5, window: 10 }, sustained: { quota: 10, window: 60 } });
    const rest = [SecuritySettings, DatabaseSettings, LoggingSettings].map((area) => config.get<object>(area));
    expect(config.all().size).toBe(definedAreas().length);
    for (const part of [...config.all().values(), http, http.corsOrigins, ...rest, rateLimits.auth.burst]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('a URL takes precedence over its separate parts', () => {
    const urls = { DATABASE_URL: 'postgres://u:p@by-url:6000/one', REDIS_URL: 'redis://by-url:7000' };
    const parts = { DATABASE_HOST: 'by-host', DATABASE_NAME: 'two', REDIS_HOST: 'by-host', REDIS_PORT: '7001' };
    const config = loadConfig({ ...secrets, ...urls, ...parts });
    expect([config.get(DatabaseSettings).url, config.get(RedisSettings).servers]).toEqual([
      urls.DATABASE_URL,
      { url: urls.REDIS_URL },
    ]);
  });

  it('five separate parts form one URL, with special characters escaped', () => {
    const parts = { DATABASE_USER: 'a@b', DATABASE_PASSWORD: 'p/w:d?#', DATABASE_NAME: 'my db', DATABASE_PORT: '6543' };
    const url = new URL(String(loadConfig({ ...production, ...parts }).get(DatabaseSettings).url));
    expect([url.host, ...[url.username, url.password, url.pathname].map(decodeURIComponent)]).toEqual([
      'db:6543',
      'a@b',
      'p/w:d?#',
      '/my db',
    ]);
  });
});

describe('lists, addresses and time zones', () => {
  const KEY = Buffer.alloc(32).toString('base64');

  it.each([
    [{ CORS_ORIGINS: '*' }, 'CORS_ORIGINS'],
    [{ CORS_ORIGINS: 'https://a.example/' }, 'CORS_ORIGINS'],
    [{ CORS_ORIGINS: 'https://a.example, a.example' }, 'CORS_ORIGINS'],
    [{ TRUST_PROXY: 'true' }, 'TRUST_PROXY'],
    [{ TRUST_PROXY: '10.0.0.0/33' }, 'TRUST_PROXY'],
    [{ TRUST_PROXY: '0.0.0.0/0' }, 'TRUST_PROXY'],
    [{ TRUST_PROXY: '::/0, 10.0.0.1' }, 'TRUST_PROXY'],
    [{ TRUST_PROXY: '::ffff:0.0.0.0/96' }, 'TRUST_PROXY'],
    [{ ...production, TRUST_PROXY: '0.0.0.0/0' }, 'TRUST_PROXY'],
    [{ TZ: 'Nope/Zone' }, 'TZ'],
    [{ FILE_ENCRYPTION_KEYS: 'k1:short' }, 'FILE_ENCRYPTION_KEYS'],
    [{ FILE_ENCRYPTION_KEYS: `k1:${KEY}, k1:${KEY}` }, 'FILE_ENCRYPTION_KEYS'],
  ])('%j causes exactly one fault', (env, name) => {
    expect(faultsOf(env)).toEqual([expect.stringContaining(`${name} must `)]);
  });

  it('exact origins, addresses and ranges are accepted', () => {
    const env = {
      CORS_ORIGINS: 'https://a.example, http://localhost:5173',
      TRUST_PROXY: '10.0.0.0/8, ::1, fd12:3456::/32, ::ffff:10.0.0.0/104',
      TZ: 'Europe/Vienna',
    };
    expect(faultsOf(env)).toEqual([]);
    expect(faultsOf({ ...production, ...env })).toEqual([]);
  });
});

it.each([
  [{}, '127.0.0.1'],
  [{ HOST: 'localhost' }, '127.0.0.1'],
  [{ HOST: '::' }, '::'],
  [{ ...production, HOST: 'localhost' }, '127.0.0.1'],
  [production, '0.0.0.0'],
])('%j makes the server listen on %s', (env: Record<string, string>, host) => {
  expect(loadConfig({ ...secrets, ...env }).get(HttpSettings).host).toBe(host);
});

describe('configuration warnings', () => {
  const warnings = (env: Record<string, string>): string[] => loadConfig({ ...secrets, ...env }).warnings();
  const unencrypted = expect.stringMatching(/^DATABASE_SSL=off: .* go to \S+ unencrypted\. Set DATABASE_SSL=verify/);

  it('name each limit that is off', () => {
    const database = { DATABASE_HOST: '127.0.0.1' };
    const off = warnings({ ...database, RATE_LIMIT_MODE: 'off' });
    expect(off).toEqual([expect.stringMatching(/^RATE_LIMIT_MODE=off: .*Set RATE_LIMIT_MODE=enforce/)]);
    expect(warnings({ ...database, RATE_LIMIT_MODE: 'dry-run' })).toEqual([]);
  });

  it.each<Record<string, string>>([
    { DATABASE_HOST: 'db.example.com', DATABASE_PASSWORD: 'open-sesame' },
    { DATABASE_HOST: '10.0.0.7' },
    { DATABASE_HOST: 'fd12::1' },
    { DATABASE_URL: 'postgres://me:open-sesame@db/holdfast' },
    { DATABASE_URL: 'postgres://localhost/holdfast?host=db' },
    { DATABASE_URL: 'postgres://db/holdfast?sslmode=disable' },
    { DATABASE_URL: 'postgres://127.0.0.1.example.com/holdfast' },
  ])('report an external database without encryption: %j', (env) => {
    expect(warnings(env)).toEqual([unencrypted]);
    expect(warnings(env).join()).not.toContain('sesame');
    expect(env['DATABASE_URL']?.includes('sslmode') ? [] : warnings({ ...env, DATABASE_SSL: 'require' })).toEqual([]);
  });

  it.each<Record<string, string>>([
    {},
    { DATABASE_HOST: 'localhost' },
    { DATABASE_HOST: '::1' },
    { DATABASE_URL: 'postgres://127.1.2.3/holdfast' },
    { DATABASE_URL: 'postgres:///holdfast?host=/var/run/postgresql' },
    { DATABASE_URL: 'postgres://%2Fvar%2Frun%2Fpostgresql/holdfast' },
    { DATABASE_URL: 'postgres://db/holdfast?sslmode=require' },
    { DATABASE_URL: 'postgres://db/holdfast?ssl=true' },
  ])('do not appear for %j', (env) => {
    expect(warnings({ DATA_DIR: join(base, 'local'), ...env })).toEqual([]);
  });
});

describe('development secrets', () => {
  it('are generated once, readable by their owner only, and kept', () => {
    const dataDir = join(base, 'kept');
    const auth = () => loadConfig({ DATA_DIR: dataDir }).get(SecuritySettings);
    const { jwtSecret, sessionSecret, cookieSecret } = auth();
    expect(new Set([jwtSecret, sessionSecret, cookieSecret]).size).toBe(3);
    expect(Math.min(jwtSecret.length, sessionSecret.length, cookieSecret.length)).toBeGreaterThanOrEqual(32);
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(auth()).toMatchObject({ jwtSecret, sessionSecret, cookieSecret });
  });

  it('are not replaced silently when the file is damaged', () => {
    const dataDir = mkdtempSync(join(base, 'damaged-'));
    for (const damaged of [
      '{"jwt":',
      'null',
      '{}',
      JSON.stringify({ jwt: '', session: 'x', cookie: 'x', database: 'x' }),
    ]) {
      writeFileSync(join(dataDir, 'secrets.json'), damaged);
      expect(() => ensureDevSecrets(dataDir)).toThrow(/secrets\.json does not contain valid secrets .*Repair it/);
      expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).toBe(damaged);
    }
  });

  it('are the same for two processes that generate them at the same moment', async () => {
    const rounds = 150; // about ten of these rounds would differ if the second process replaced the file
    const start = Date.now() + 400; // both processes are up by then; a late one only reads
    const script = `
      import { ensureDevSecrets } from './dist/src/shared/config/dev-secrets.js';
      for (let round = 0; round < ${rounds}; round++) {
        while (Date.now() < ${start} + round * 2);
        console.log(ensureDevSecrets(${JSON.stringify(join(base, 'raced-'))} + round).jwt);
      }`;
    const load = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    const [one, two] = await Promise.all([load(), load()]);
    expect(one.stdout.split('\n')).toHaveLength(rounds + 1);
    expect(two.stdout).toBe(one.stdout);
  });
});
