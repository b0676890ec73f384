// The environment as typed, frozen settings for the application.
import { resolve } from 'node:path';
import manifest from '../../../package.json' with { type: 'json' };
import { type DevSecrets, ensureDevSecrets } from './dev-secrets.js';
import { ConfigError, readEnv, type Env } from './env.schema.js';

export interface DatabaseConfig {
  /** Undefined for the embedded PostgreSQL in `dataDir`, whose URL is known once it runs. */
  url: string | undefined;
  name: string;
  ssl: Env['DATABASE_SSL'];
  poolSize: number;
  /** Superuser password of the embedded PostgreSQL. */
  embeddedPassword: string;
}

export interface RedisConfig {
  /** One node, or some nodes of a cluster; undefined without Redis. */
  servers: { url: string } | { cluster: ReadonlyArray<{ host: string; port: number }> } | undefined;
  password: string | undefined;
  prefix: string;
}

/** At most `quota` in any interval of `window` seconds. */
export interface Rate {
  quota: number;
  window: number;
}

/** The two tiers of a limit. */
export interface Rates {
  burst: Rate;
  sustained: Rate;
}

export interface S3Config {
  endpoint: string | undefined;
  region: string;
  bucket: string;
  prefix: string;
  /** Undefined: the credentials that the AWS SDK finds itself. */
  credentials: { accessKeyId: string; secretAccessKey: string } | undefined;
  pathStyle: boolean;
  redirect: boolean;
}

export interface FilesConfig {
  /** Maximum size of one file. */
  maxBytes: number;
  /** Maximum of one user. */
  quota: { bytes: number; files: number };
  deduplication: Env['FILE_DEDUPLICATION'];
  retentionDays: number;
  lease: number;
  /** The first key encrypts new files. `key`: base64. */
  encryptionKeys: ReadonlyArray<{ id: string; key: string }>;
  /** Undefined: files are stored in a folder under `dataDir`. */
  s3: S3Config | undefined;
  uploadTtl: number;
  thumbnailPixels: number;
}

/** Settings of one process. The class is its own injection token. Times are in milliseconds unless the name says otherwise. */
export abstract class AppConfig {
  abstract readonly environment: NonNullable<Env['NODE_ENV']>;
  /** True when the start creates demo accounts; never in a database that may be meant for production. */
  abstract readonly hasDemoAccounts: boolean;
  abstract readonly role: Env['APP_ROLE'];
  abstract readonly version: string;
  abstract readonly dataDir: string;
  /** The audience of Swagger UI and of the OpenAPI document. */
  abstract readonly docs: 'on' | 'admin' | 'off';
  abstract readonly http: {
    readonly host: string;
    readonly port: number;
    readonly corsOrigins: readonly string[];
    readonly trustProxy: readonly string[];
    readonly bodyLimitBytes: number;
    readonly bodyTimeout: number;
    /** Bytes per second. */
    readonly minTransferRate: number;
    readonly maxConnections: { readonly total: number; readonly perNetwork: number };
    readonly requestTimeout: number;
    readonly shutdownDelay: number;
    readonly shutdownGrace: number;
  };
  abstract readonly log: { readonly level: Env['LOG_LEVEL']; readonly format: 'json' | 'pretty' };
  abstract readonly database: Readonly<DatabaseConfig>;
  abstract readonly redis: Readonly<RedisConfig>;
  abstract readonly cache: { readonly ttl: number; readonly capacity: number; readonly maxBytes: number };
  abstract readonly rabbitmq: {
    /** Undefined without a broker. */
    readonly url: string | undefined;
    readonly prefix: string;
  };
  abstract readonly jobs: {
    readonly lease: number;
    readonly concurrency: number;
    /** Maximum number of waiting jobs of one owner. */
    readonly quota: number;
    readonly runningQuota: number;
    readonly retentionDays: number;
  };
  /** Limits for one user; those of files and jobs are in their own sections. */
  abstract readonly quotas: {
    readonly taskQuota: number;
    readonly linkQuota: number;
    readonly sessionQuota: number;
  };
  /** Days after which ended or deleted objects are removed permanently. */
  abstract readonly retention: {
    readonly taskDays: number;
    readonly sessionDays: number;
    readonly linkDays: number;
    readonly auditDays: number;
  };
  abstract readonly threads: {
    /** Number of threads in each pool. */
    readonly render: number;
    readonly data: number;
    readonly memoryMib: number;
  };
  abstract readonly files: Readonly<FilesConfig>;
  abstract readonly rateLimits: {
    readonly mode: Env['RATE_LIMIT_MODE'];
    readonly standard: Readonly<Rates>;
    readonly auth: Readonly<Rates>;
    readonly loginOfAccount: Readonly<Rate>;
  };
  abstract readonly auth: {
    readonly jwtSecret: string;
    readonly sessionSecret: string;
    readonly cookieSecret: string;
    readonly accessTokenTtlSeconds: number;
    readonly sessionTtl: number;
    readonly sessionIdleTtl: number;
    readonly refreshGrace: number;
    readonly passwordHash: Env['PASSWORD_HASH'];
  };
}

/** For `localhost`, Fastify would open a second server on `::1`, which has none of our connection limits. */
function hostOf({ HOST: host }: Env, production: boolean): string {
  if (host === 'localhost') return '127.0.0.1';
  return host ?? (production ? '0.0.0.0' : '127.0.0.1');
}

const list = (text = ''): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

function databaseUrl(env: Env): string | undefined {
  if (env.DATABASE_URL !== undefined) return env.DATABASE_URL;
  if (env.DATABASE_HOST === undefined) return undefined;
  const password = env.DATABASE_PASSWORD === undefined ? '' : `:${encodeURIComponent(env.DATABASE_PASSWORD)}`;
  const host = env.DATABASE_HOST.includes(':') ? `[${env.DATABASE_HOST}]` : env.DATABASE_HOST;
  return `postgres://${encodeURIComponent(env.DATABASE_USER)}${password}@${host}:${env.DATABASE_PORT}/${encodeURIComponent(env.DATABASE_NAME)}`;
}

function redisServers(env: Env): RedisConfig['servers'] {
  const cluster = list(env.REDIS_CLUSTER_NODES).map((node) => {
    const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(node) ?? [];
    return { host, port: Number(port) };
  });
  if (cluster.length > 0) return { cluster };
  if (env.REDIS_URL !== undefined) return { url: env.REDIS_URL };
  if (env.REDIS_HOST === undefined) return undefined;
  const host = env.REDIS_HOST.includes(':') ? `[${env.REDIS_HOST}]` : env.REDIS_HOST;
  return { url: `redis://${host}:${env.REDIS_PORT}` };
}

function rateOf(text: string): Rate {
  const [quota, window] = text.split('/').map(Number) as [number, number];
  return { quota, window };
}

function filesConfig(env: Env): FilesConfig {
  return {
    maxBytes: env.FILE_MAX_SIZE,
    quota: { bytes: env.FILE_QUOTA, files: env.FILE_QUOTA_COUNT },
    deduplication: env.FILE_DEDUPLICATION,
    retentionDays: env.FILE_RETENTION,
    lease: env.FILE_LEASE,
    encryptionKeys: list(env.FILE_ENCRYPTION_KEYS).map((item) => {
      const [id = '', key = ''] = item.split(':');
      return { id, key };
    }),
    s3: env.FILE_STORAGE === 's3' ? s3Config(env) : undefined,
    uploadTtl: env.UPLOAD_EXPIRY * 1000,
    thumbnailPixels: env.THUMBNAIL_MAX_PIXELS,
  };
}

function s3Config(env: Env): S3Config {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = env;
  return {
    endpoint: env.S3_ENDPOINT,
    region: env.S3_REGION,
    bucket: env.S3_BUCKET ?? '',
    prefix: env.S3_PREFIX,
    credentials:
      accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey } : undefined,
    pathStyle: env.S3_PATH_STYLE,
    redirect: env.S3_REDIRECT,
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value))
    if (typeof member === 'object' && member !== null) deepFreeze(member as object);
  return Object.freeze(value);
}

/** Builds the settings from a validated environment. Outside production, missing secrets come from `<DATA_DIR>/secrets.json`. */
export function toAppConfig(env: Env): AppConfig {
  const production = env.NODE_ENV === 'production';
  const dataDir = resolve(env.DATA_DIR);
  const embedded = databaseUrl(env) === undefined;
  const complete = env.JWT_SECRET && env.SESSION_SECRET && env.COOKIE_SECRET && !embedded;
  const made = complete ? undefined : secretsIn(dataDir);
  return deepFreeze({
    environment: env.NODE_ENV ?? 'development',
    hasDemoAccounts: env.NODE_ENV === 'development' || (env.NODE_ENV === undefined && embedded),
    role: env.APP_ROLE,
    version: manifest.version,
    dataDir,
    docs: env.DOCS ?? (production ? 'admin' : 'on'),
    http: {
      host: hostOf(env, production),
      port: env.PORT,
      corsOrigins: list(env.CORS_ORIGINS),
      trustProxy: list(env.TRUST_PROXY),
      bodyLimitBytes: env.BODY_LIMIT,
      bodyTimeout: env.BODY_TIMEOUT,
      minTransferRate: env.MIN_TRANSFER_RATE,
      maxConnections: { total: env.MAX_CONNECTIONS, perNetwork: env.MAX_CONNECTIONS_PER_ADDRESS },
      requestTimeout: env.REQUEST_TIMEOUT,
      shutdownDelay: env.SHUTDOWN_DELAY ?? (production ? 5_000 : 0),
      shutdownGrace: env.SHUTDOWN_GRACE,
    },
    log: { level: env.LOG_LEVEL, format: env.LOG_FORMAT ?? (production ? 'json' : 'pretty') },
    database: {
      url: databaseUrl(env),
      name: env.DATABASE_NAME,
      ssl: env.DATABASE_SSL,
      poolSize: env.DATABASE_POOL_SIZE,
      embeddedPassword: made?.database ?? '',
    },
    redis: { servers: redisServers(env), password: env.REDIS_PASSWORD, prefix: env.REDIS_PREFIX },
    cache: { ttl: env.CACHE_TTL * 1000, capacity: env.CACHE_CAPACITY, maxBytes: env.CACHE_MAX_BYTES },
    rabbitmq: { url: env.RABBITMQ_URL, prefix: env.RABBITMQ_QUEUE },
    jobs: {
      lease: env.JOB_LEASE,
      concurrency: env.JOB_CONCURRENCY,
      quota: env.JOB_QUOTA,
      runningQuota: env.JOB_RUNNING_QUOTA,
      retentionDays: env.JOB_RETENTION,
    },
    quotas: { taskQuota: env.TASK_QUOTA, linkQuota: env.LINK_QUOTA, sessionQuota: env.SESSION_QUOTA },
    retention: {
      taskDays: env.TASK_RETENTION,
      sessionDays: env.SESSION_RETENTION,
      linkDays: env.LINK_RETENTION,
      auditDays: env.AUDIT_RETENTION,
    },
    threads: { render: env.THREADS_RENDER, data: env.THREADS_DATA, memoryMib: env.THREAD_MEMORY },
    files: filesConfig(env),
    rateLimits: {
      mode: env.RATE_LIMIT_MODE,
      standard: { burst: rateOf(env.RATE_LIMIT_BURST), sustained: rateOf(env.RATE_LIMIT_SUSTAINED) },
      auth: { burst: rateOf(env.AUTH_RATE_LIMIT_BURST), sustained: rateOf(env.AUTH_RATE_LIMIT_SUSTAINED) },
      loginOfAccount: rateOf(env.LOGIN_ACCOUNT_LIMIT),
    },
    auth: {
      jwtSecret: env.JWT_SECRET ?? made?.jwt ?? '',
      sessionSecret: env.SESSION_SECRET ?? made?.session ?? '',
      cookieSecret: env.COOKIE_SECRET ?? made?.cookie ?? '',
      accessTokenTtlSeconds: env.ACCESS_TOKEN_TTL,
      sessionTtl: env.REFRESH_TOKEN_TTL * 1000,
      sessionIdleTtl: env.REFRESH_IDLE_TTL * 1000,
      refreshGrace: env.REFRESH_GRACE * 1000,
      passwordHash: env.PASSWORD_HASH,
    },
  });
}

/** Throws ConfigError. */
function secretsIn(dataDir: string): DevSecrets {
  try {
    return ensureDevSecrets(dataDir);
  } catch (error) {
    throw new ConfigError([`DATA_DIR ${dataDir} cannot be used: ${(error as Error).message}`]);
  }
}

/** Reads and checks the process's environment. Throws ConfigError. */
export function loadConfig(): AppConfig {
  return toAppConfig(readEnv());
}
