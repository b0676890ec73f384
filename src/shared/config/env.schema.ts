// Every environment variable with its type, default and a one-line description. The only reader of process.env.
import Joi from 'joi';
import { isNarrowNetwork, isNetwork, weaknessOfSecret } from './production-rules.js';

const MAKE_SECRET = 'make one with `openssl rand -base64 48`';

/** A secret. In production it must be hard to guess and differ from the `others`, so that one leak does not reveal all. */
const secret = (doc: string, ...others: string[]): Joi.StringSchema =>
  Joi.string()
    .min(32)
    .description(doc)
    .when('NODE_ENV', {
      is: 'production',
      then: Joi.string()
        .invalid(...others.map((name) => Joi.ref(name)))
        .custom((text: string, helpers) => {
          const weakness = text.length < 32 ? null : weaknessOfSecret(text);
          return weakness === null ? text : helpers.error('weak', { weakness });
        })
        .messages({
          'any.invalid': `{{#label}} must differ from ${others.join(' and ')}: ${MAKE_SECRET}`,
          weak: `{{#label}} {{#weakness}}: ${MAKE_SECRET}`,
        })
        .required(),
    });

/** Comma-separated items, each accepted by `passes`; `says` completes "each item must be …". */
const listOf = (passes: (item: string) => boolean, says: string): Joi.StringSchema =>
  Joi.string()
    .custom((text: string, helpers) => {
      const items = text.split(',').map((item) => item.trim());
      return items.every((item) => item === '' || passes(item)) ? text : helpers.error('list');
    })
    .messages({ list: `{{#label}} must list items that are each ${says}` });

const isOrigin = (item: string): boolean => URL.canParse(item) && new URL(item).origin === item;

function isTimeZone(text: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: text }));
  } catch {
    return false;
  }
}

/** `<id>:<base64 of 32 bytes>`. */
function isEncryptionKey(item: string): boolean {
  const [, key = ''] = /^[\w-]{1,32}:([A-Za-z0-9+/]{43}=)$/.exec(item) ?? [];
  return Buffer.from(key, 'base64').length === 32;
}

const isHostAndPort = (item: string): boolean => /^(\[[\da-f:]+\]|[\w.-]+):\d{1,5}$/i.test(item);

/** A rate, `<requests>/<seconds>`. */
const rate = (doc: string, standard: string): Joi.StringSchema =>
  Joi.string()
    .pattern(/^[1-9]\d{0,8}\/[1-9]\d{0,5}$/)
    .default(standard)
    .messages({ 'string.pattern.base': '{{#label}} must be <requests>/<seconds>, like 5/10' })
    .description(`${doc}, as <requests>/<seconds>`);

const flag = (): Joi.BooleanSchema => Joi.boolean().truthy('1', 'yes', 'on').falsy('0', 'no', 'off');

/** In the order of `.env.example`; a test compares the two. */
export const envSchema = Joi.object({
  NODE_ENV: Joi.string()
    .valid('development', 'test', 'production')
    .description(
      'development, test or production. Default: development, but without demo accounts in a database that is not embedded',
    ),
  APP_ROLE: Joi.string()
    .valid('all', 'api', 'worker')
    .default('all')
    .description('all, api (requests only) or worker (background jobs, and the probes)'),
  HOST: Joi.string()
    .hostname()
    .description('Address to listen on; localhost means 127.0.0.1. Default: 127.0.0.1, in production 0.0.0.0'),
  PORT: Joi.number().port().default(3000).description('Port to listen on; 0 picks a free one'),
  TZ: Joi.string()
    .default('UTC')
    .custom((zone: string, helpers) => (isTimeZone(zone) ? zone : helpers.error('zone')))
    .messages({ zone: '{{#label}} must be a time zone like UTC or Europe/Vienna' })
    .description('Time zone of the process; responses always use UTC'),
  LOG_LEVEL: Joi.string()
    .valid('debug', 'info', 'warn', 'error')
    .default('info')
    .description('Minimum level of log lines'),
  LOG_FORMAT: Joi.string().valid('json', 'pretty').description('json or pretty. Default: pretty, in production json'),

  JWT_SECRET: secret('Signs access tokens (HS256), 32 characters or more. Development creates its own under DATA_DIR'),
  SESSION_SECRET: secret('Signs refresh tokens and page cursors, 32 characters or more', 'JWT_SECRET'),
  COOKIE_SECRET: secret('Signs the refresh cookie, 32 characters or more', 'JWT_SECRET', 'SESSION_SECRET'),
  ACCESS_TOKEN_TTL: Joi.number()
    .integer()
    .min(10)
    .max(86_400)
    .default(900)
    .description('Lifetime of an access token, seconds'),
  REFRESH_TOKEN_TTL: Joi.number()
    .integer()
    .min(60)
    .default(2_592_000)
    .description('Lifetime of a session, seconds (30 days)'),
  REFRESH_IDLE_TTL: Joi.number()
    .integer()
    .min(60)
    .default(604_800)
    .description('A session ends after this time without use, seconds (7 days)'),
  REFRESH_GRACE: Joi.number()
    .min(0)
    .max(60)
    .default(10)
    .description('Time after a rotation in which the previous refresh token still gets the same successor, seconds'),
  PASSWORD_HASH: Joi.string()
    .valid('argon2id', 'bcrypt')
    .default('argon2id')
    .description('Hash of new passwords; the other kind is still verified, and replaced at login'),

  DATABASE_URL: Joi.string()
    .uri({ scheme: ['postgres', 'postgresql'] })
    .description('PostgreSQL as one URL; if set, it overrides the five variables below'),
  DATABASE_HOST: Joi.string()
    .hostname()
    .description('PostgreSQL host; without it (and without DATABASE_URL) development runs an embedded PostgreSQL'),
  DATABASE_PORT: Joi.number().port().default(5432).description('PostgreSQL port'),
  DATABASE_USER: Joi.string().default('postgres').description('PostgreSQL role'),
  DATABASE_PASSWORD: Joi.string().allow('').description('Password of that role'),
  DATABASE_NAME: Joi.string().default('holdfast').description('Database name, also of the embedded PostgreSQL'),
  DATABASE_SSL: Joi.string()
    .valid('off', 'require', 'verify')
    .default('off')
    .description('off, require (encrypt) or verify (encrypt and check the certificate)'),
  DATABASE_POOL_SIZE: Joi.number().integer().min(2).max(200).default(10).description('Connections per process'),
  EMBEDDED: flag()
    .default(false)
    .description('Allows production to run on the embedded engines; it never falls back to them silently'),
  DATA_DIR: Joi.string()
    .default('.data')
    .description("Folder of the embedded engines' data and the development secrets"),

  REDIS_URL: Joi.string()
    .uri({ scheme: ['redis', 'rediss'] })
    .description(
      'Redis as one URL (redis:// or rediss://); if set, it overrides REDIS_HOST and REDIS_PORT; without Redis each process has its own cache',
    ),
  REDIS_HOST: Joi.string().hostname().description('Redis host'),
  REDIS_PORT: Joi.number().port().default(6379).description('Redis port'),
  REDIS_CLUSTER_NODES: listOf(isHostAndPort, 'like redis-1:6379').description(
    'Some nodes of a Redis Cluster, comma-separated, instead of REDIS_URL and REDIS_HOST',
  ),
  REDIS_PASSWORD: Joi.string().description('Password of Redis, if REDIS_URL has none'),
  REDIS_PREFIX: Joi.string()
    .pattern(/^[\w.:-]{1,50}$/)
    .default('holdfast')
    .messages({ 'string.pattern.base': '{{#label}} must be 1 to 50 of A-Z a-z 0-9 _ . : -' })
    .description('First part of every key and channel, so that deployments may share a Redis'),
  CACHE_TTL: Joi.number().integer().min(1).max(86_400).default(60).description('Lifetime of a cached read, seconds'),
  CACHE_CAPACITY: Joi.number()
    .integer()
    .min(1)
    .default(10_000)
    .description('Maximum number of cached entries per process'),
  CACHE_MAX_BYTES: Joi.number()
    .integer()
    .min(65_536)
    .default(67_108_864)
    .description('Maximum memory of these entries, bytes; the least recently used are evicted first'),

  RABBITMQ_URL: Joi.string()
    .uri({ scheme: ['amqp', 'amqps'] })
    .description('RabbitMQ (amqp:// or amqps://); without it PostgreSQL alone distributes the jobs'),
  RABBITMQ_QUEUE: Joi.string()
    .pattern(/^[\w.-]{1,100}$/)
    .default('holdfast')
    .messages({ 'string.pattern.base': '{{#label}} must be 1 to 100 of A-Z a-z 0-9 _ . -' })
    .description('First part of the names of exchanges and queues, so that deployments may share a broker'),
  JOB_LEASE: Joi.number()
    .integer()
    .min(500)
    .max(600_000)
    .default(10_000)
    .description(
      'A worker that does not renew its lease for this time counts as dead, and its jobs run again, milliseconds',
    ),
  JOB_CONCURRENCY: Joi.number()
    .integer()
    .min(1)
    .max(1_000)
    .default(10)
    .description('Jobs of one queue that a process runs at once, unless the job defines its own number'),
  JOB_QUOTA: Joi.number()
    .integer()
    .min(1)
    .default(100)
    .description('Maximum waiting jobs of one user; further jobs are refused'),
  JOB_RUNNING_QUOTA: Joi.number()
    .integer()
    .min(1)
    .max(1_000)
    .default(4)
    .description('Maximum running jobs of one user, in all processes together; the others wait'),
  JOB_RETENTION: Joi.number()
    .integer()
    .min(1)
    .default(7)
    .description('Days until finished jobs are deleted; dead letters stay until they are replayed or discarded'),
  TASK_QUOTA: Joi.number().integer().min(1).default(100_000).description('Maximum tasks of one user'),
  TASK_RETENTION: Joi.number()
    .integer()
    .min(1)
    .max(3_650)
    .default(30)
    .description('Days until deleted tasks are removed permanently; until then administrators may restore them'),
  LINK_QUOTA: Joi.number()
    .integer()
    .min(1)
    .default(1_000)
    .description('Maximum file links of one user that are neither expired nor revoked'),
  SESSION_QUOTA: Joi.number()
    .integer()
    .min(1)
    .default(100)
    .description('Maximum sessions of one user; a further login ends the least recently used one'),
  SESSION_RETENTION: Joi.number()
    .integer()
    .min(1)
    .max(3_650)
    .default(30)
    .description('Days until ended sessions are deleted'),
  LINK_RETENTION: Joi.number()
    .integer()
    .min(1)
    .max(3_650)
    .default(30)
    .description('Days until expired or revoked file links are deleted'),
  AUDIT_RETENTION: Joi.number()
    .integer()
    .min(1)
    .max(36_500)
    .default(365)
    .description('Days until entries of the audit log are deleted'),
  THREADS_RENDER: Joi.number()
    .integer()
    .min(1)
    .max(64)
    .default(1)
    .description('Threads that render documents, per process'),
  THREADS_DATA: Joi.number()
    .integer()
    .min(1)
    .max(64)
    .default(2)
    .description('Threads that read, write and aggregate data tables, per process'),
  THREAD_MEMORY: Joi.number()
    .integer()
    .min(32)
    .default(512)
    .description('Heap of one thread, MiB; a job that needs more fails, the process continues'),
  FILE_MAX_SIZE: Joi.number()
    .integer()
    .min(1)
    .default(5_368_709_120)
    .description('Largest file that may be uploaded, bytes (5 GiB); a bucket may have a smaller limit'),
  FILE_QUOTA: Joi.number()
    .integer()
    .min(0)
    .default(10_737_418_240)
    .description('Maximum bytes of all files of one user (10 GiB)'),
  FILE_QUOTA_COUNT: Joi.number().integer().min(0).default(100_000).description('Maximum files of one user'),
  FILE_DEDUPLICATION: Joi.string()
    .valid('owner', 'deployment')
    .default('owner')
    .description('The files among which equal content is stored once: those of one owner, or of the whole deployment'),
  FILE_RETENTION: Joi.number()
    .integer()
    .min(0)
    .max(3_650)
    .default(0)
    .description('Days for which the bytes of a deleted file are kept, so that administrators may restore it'),
  FILE_LEASE: Joi.number()
    .integer()
    .min(1_000)
    .max(3_600_000)
    .default(60_000)
    .description('A process that does not renew the lease of an upload for this time counts as dead, milliseconds'),
  FILE_ENCRYPTION_KEYS: listOf(isEncryptionKey, '<id>:<32 bytes in base64>')
    .custom((text: string, helpers) => {
      const items = text.split(',').map((item) => item.trim());
      const ids = items.filter((item) => item !== '').map((item) => item.split(':', 1)[0]);
      return new Set(ids).size < ids.length ? helpers.error('twins') : text;
    })
    .messages({ twins: '{{#label}} must give each key an id of its own' })
    .description(
      'Keys that encrypt files at rest, comma-separated, each <id>:<32 bytes in base64>: the first for new files, all for reading. Without keys files are not encrypted',
    ),
  FILE_STORAGE: Joi.string()
    .valid('local', 's3')
    .default('local')
    .description('Storage of the bytes of files: local (under DATA_DIR) or s3'),
  S3_ENDPOINT: Joi.string()
    .uri({ scheme: ['http', 'https'] })
    .description('URL of an S3-compatible service. Default: Amazon S3 in S3_REGION'),
  S3_REGION: Joi.string().default('us-east-1').description('Region of the service'),
  S3_BUCKET: Joi.string()
    .when('FILE_STORAGE', { is: 's3', then: Joi.required() })
    .description('Bucket for the bytes of files; it must exist'),
  S3_PREFIX: Joi.string()
    .pattern(/^[\w.-]+(\/[\w.-]+)*$/)
    .default('holdfast')
    .messages({ 'string.pattern.base': '{{#label}} must be of A-Z a-z 0-9 _ . - with / between' })
    .description('First part of every key in the bucket, so that deployments may share a bucket'),
  S3_ACCESS_KEY_ID: Joi.string().description('Access key. Default: what the AWS SDK finds (profile, instance, …)'),
  S3_SECRET_ACCESS_KEY: Joi.string().description('Secret of that access key'),
  S3_PATH_STYLE: flag()
    .default(true)
    .description('Puts the bucket into the path of the URL, as most services except Amazon require'),
  S3_REDIRECT: flag()
    .default(false)
    .description('Answers downloads of files that are not encrypted with a redirect to a URL signed by S3'),
  UPLOAD_EXPIRY: Joi.number()
    .integer()
    .min(60)
    .max(2_592_000)
    .default(86_400)
    .description('A resumable upload that is not complete after this time is removed, seconds'),
  THUMBNAIL_MAX_PIXELS: Joi.number()
    .integer()
    .min(1)
    .max(268_402_689)
    .default(200_000_000)
    .description(
      'Images with more pixels get no thumbnails. In several passes, and as TIFF, they may have half of it, as WebP and GIF 5/8, as AVIF a quarter; the decoder may take 5 bytes for each, and 450 MB',
    ),

  RATE_LIMIT_MODE: Joi.string()
    .valid('enforce', 'dry-run', 'off')
    .default('enforce')
    .description('enforce, dry-run (count and log, refuse nothing) or off'),
  RATE_LIMIT_BURST: rate('Short limit of every caller', '300/10'),
  RATE_LIMIT_SUSTAINED: rate('Long limit of every caller', '1200/60'),
  AUTH_RATE_LIMIT_BURST: rate(
    'Short limit of an address on register and on login, of a session on its password',
    '5/10',
  ),
  AUTH_RATE_LIMIT_SUSTAINED: rate(
    'Long limit of an address on register and on login, of a session on its password',
    '10/60',
  ),
  LOGIN_ACCOUNT_LIMIT: rate('Password checks for one account, from wherever they come', '10/900'),

  DOCS: Joi.string()
    .valid('on', 'admin', 'off')
    .description(
      'Swagger UI and the OpenAPI document at /docs: on (public), admin (the page asks for an access token of an administrator) or off. Default: on, in production admin',
    ),
  CORS_ORIGINS: listOf(isOrigin, 'an exact origin like https://app.example.com').description(
    'Origins that browsers may call from, comma-separated, exact (https://app.example.com)',
  ),
  TRUST_PROXY: listOf(isNetwork, 'an IP address or a CIDR range, and not everybody (/0)')
    .description('Addresses or CIDR ranges of proxies whose X-Forwarded-For is trusted, comma-separated')
    .when('NODE_ENV', {
      is: 'production',
      then: Joi.string()
        .custom((text: string, helpers) => {
          return text.split(',').every((item) => isNarrowNetwork(item.trim())) ? text : helpers.error('wide');
        })
        .messages({
          wide: '{{#label}} must name your proxies alone: in a range wider than /8 (IPv6: /16) anybody can forge an address',
        }),
    }),
  BODY_LIMIT: Joi.number().integer().min(1024).default(1_048_576).description('Maximum size of a JSON body, bytes'),
  BODY_TIMEOUT: Joi.number()
    .integer()
    .min(100)
    .default(10_000)
    .description('Maximum time for the arrival of a JSON body, milliseconds'),
  MIN_TRANSFER_RATE: Joi.number()
    .integer()
    .min(1)
    .default(1024)
    .description(
      'Minimum rate of uploads and downloads, measured over BODY_TIMEOUT, bytes per second; slower ones are cut, and a resumable upload can continue',
    ),
  MAX_CONNECTIONS: Joi.number()
    .integer()
    .min(1)
    .default(10_000)
    .description(
      'Maximum open connections of a process, each of which takes a file descriptor; further ones are closed',
    ),
  MAX_CONNECTIONS_PER_ADDRESS: Joi.number()
    .integer()
    .min(1)
    .default(1_000)
    .description(
      'Maximum of these connections from one IPv4 address or IPv6 /64 network; the proxies of TRUST_PROXY are exempt',
    ),
  REQUEST_TIMEOUT: Joi.number()
    .integer()
    .min(1000)
    .default(30_000)
    .description('Maximum time of a handler, milliseconds'),
  SHUTDOWN_DELAY: Joi.number()
    .integer()
    .min(0)
    .description(
      'Time after SIGTERM in which requests are still served while readiness returns 503, milliseconds. Default: 0, in production 5000',
    ),
  SHUTDOWN_GRACE: Joi.number()
    .integer()
    .min(0)
    .default(20_000)
    .description('Time for requests in flight to finish, milliseconds; then the process exits'),
})
  .when(Joi.object({ NODE_ENV: Joi.valid('production').required(), EMBEDDED: flag().valid(false) }).unknown(), {
    then: Joi.object()
      .or('DATABASE_URL', 'DATABASE_HOST')
      .or('REDIS_URL', 'REDIS_HOST', 'REDIS_CLUSTER_NODES')
      .or('RABBITMQ_URL'),
  })
  .and('S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY')
  .oxor('REDIS_URL', 'REDIS_CLUSTER_NODES')
  .oxor('REDIS_HOST', 'REDIS_CLUSTER_NODES');

/** The variables after defaults; absent variables without a default are undefined. */
export interface Env {
  NODE_ENV?: 'development' | 'test' | 'production';
  APP_ROLE: 'all' | 'api' | 'worker';
  HOST?: string;
  PORT: number;
  TZ: string;
  LOG_LEVEL: 'debug' | 'info' | 'warn' | 'error';
  LOG_FORMAT?: 'json' | 'pretty';
  JWT_SECRET?: string;
  SESSION_SECRET?: string;
  COOKIE_SECRET?: string;
  ACCESS_TOKEN_TTL: number;
  REFRESH_TOKEN_TTL: number;
  REFRESH_IDLE_TTL: number;
  REFRESH_GRACE: number;
  PASSWORD_HASH: 'argon2id' | 'bcrypt';
  DATABASE_URL?: string;
  DATABASE_HOST?: string;
  DATABASE_PORT: number;
  DATABASE_USER: string;
  DATABASE_PASSWORD?: string;
  DATABASE_NAME: string;
  DATABASE_SSL: 'off' | 'require' | 'verify';
  DATABASE_POOL_SIZE: number;
  EMBEDDED: boolean;
  DATA_DIR: string;
  REDIS_URL?: string;
  REDIS_HOST?: string;
  REDIS_PORT: number;
  REDIS_CLUSTER_NODES?: string;
  REDIS_PASSWORD?: string;
  REDIS_PREFIX: string;
  CACHE_TTL: number;
  CACHE_CAPACITY: number;
  CACHE_MAX_BYTES: number;
  RABBITMQ_URL?: string;
  RABBITMQ_QUEUE: string;
  JOB_LEASE: number;
  JOB_CONCURRENCY: number;
  JOB_QUOTA: number;
  JOB_RUNNING_QUOTA: number;
  TASK_QUOTA: number;
  TASK_RETENTION: number;
  LINK_QUOTA: number;
  SESSION_QUOTA: number;
  SESSION_RETENTION: number;
  LINK_RETENTION: number;
  AUDIT_RETENTION: number;
  JOB_RETENTION: number;
  THREADS_RENDER: number;
  THREADS_DATA: number;
  THREAD_MEMORY: number;
  FILE_MAX_SIZE: number;
  FILE_QUOTA: number;
  FILE_QUOTA_COUNT: number;
  FILE_DEDUPLICATION: 'owner' | 'deployment';
  FILE_RETENTION: number;
  FILE_LEASE: number;
  FILE_ENCRYPTION_KEYS?: string;
  FILE_STORAGE: 'local' | 's3';
  S3_ENDPOINT?: string;
  S3_REGION: string;
  S3_BUCKET?: string;
  S3_PREFIX: string;
  S3_ACCESS_KEY_ID?: string;
  S3_SECRET_ACCESS_KEY?: string;
  S3_PATH_STYLE: boolean;
  S3_REDIRECT: boolean;
  UPLOAD_EXPIRY: number;
  THUMBNAIL_MAX_PIXELS: number;
  RATE_LIMIT_MODE: 'enforce' | 'dry-run' | 'off';
  RATE_LIMIT_BURST: string;
  RATE_LIMIT_SUSTAINED: string;
  AUTH_RATE_LIMIT_BURST: string;
  AUTH_RATE_LIMIT_SUSTAINED: string;
  LOGIN_ACCOUNT_LIMIT: string;
  DOCS?: 'on' | 'admin' | 'off';
  CORS_ORIGINS?: string;
  TRUST_PROXY?: string;
  BODY_LIMIT: number;
  BODY_TIMEOUT: number;
  MIN_TRANSFER_RATE: number;
  MAX_CONNECTIONS: number;
  MAX_CONNECTIONS_PER_ADDRESS: number;
  REQUEST_TIMEOUT: number;
  SHUTDOWN_DELAY?: number;
  SHUTDOWN_GRACE: number;
}

/** The faults of the environment, one line each; they stop the start. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(
      `The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${faults.map((f) => `  - ${f}`).join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

/** Builds our own message: Joi's would contain the value of a secret, ours names the variable and the rule. */
function faultLine(detail: Joi.ValidationErrorItem): string {
  const { peers = [] } = detail.context as { peers?: string[] };
  if (detail.type === 'object.missing')
    return `${peers.join(' or ')} is required in production (or say EMBEDDED=true to run on the embedded engines)`;
  if (detail.type === 'object.oxor') return `${peers.join(' and ')} exclude each other; set one of them`;
  if (detail.type === 'object.and') return 'S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY need each other; set both';
  const name = String(detail.path[0]);
  const doc = envSchema.extract(name).describe().flags as { description?: string } | undefined;
  return `${detail.message.replaceAll('"', '')}${doc?.description ? ` (${doc.description})` : ''}`;
}

/**
 * Validates an environment (default: that of the process, after an optional `.env` file). Empty values count as absent, as in
 * a copied `.env.example`. Throws ConfigError with every fault.
 */
export function readEnv(source: NodeJS.ProcessEnv = processEnv()): Env {
  const known = Object.keys(envSchema.describe().keys as object);
  const given = Object.fromEntries(known.filter((key) => (source[key] ?? '') !== '').map((key) => [key, source[key]]));
  const checked = envSchema.validate(given, { abortEarly: false, errors: { wrap: { label: false } } });
  if (checked.error) throw new ConfigError(checked.error.details.map(faultLine));
  const env = checked.value as Env;
  if (source === process.env) process.env['TZ'] = env.TZ; // Node applies it from here on
  return env;
}

function processEnv(): NodeJS.ProcessEnv {
  try {
    process.loadEnvFile('.env'); // never overrides variables that are set already
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return process.env;
}
