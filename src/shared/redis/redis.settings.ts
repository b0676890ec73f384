// Settings of Redis.
import { externalInProduction } from '../config/embedded.settings.js';
import { exclusive } from '../config/rules.js';
import { hostInUrl } from '../libs/network.js';
import { defineSettings } from '../config/settings.js';
import { host, list, port, text, url } from '../config/variables.js';

/** One node, or some nodes of a cluster. */
type Servers = { url: string } | { cluster: ReadonlyArray<{ host: string; port: number }> };

export const RedisSettings = defineSettings(
  'Redis',
  {
    url: url('REDIS_URL', {
      schemes: ['redis', 'rediss'],
      doc: 'Redis as one URL (redis:// or rediss://); if set, it overrides REDIS_HOST and REDIS_PORT; without Redis each process has its own cache',
    }),
    host: host('REDIS_HOST', { doc: 'Redis host' }),
    port: port('REDIS_PORT', { default: 6379, doc: 'Redis port' }),
    cluster: list('REDIS_CLUSTER_NODES', {
      accepts: (item) => /^(\[[\da-f:]+\]|[\w.-]+):\d{1,5}$/i.test(item),
      each: 'like redis-1:6379',
      doc: 'Some nodes of a Redis Cluster, comma-separated, instead of REDIS_URL and REDIS_HOST',
    }),
    password: text('REDIS_PASSWORD', { doc: 'Password of Redis, if REDIS_URL has none' }),
    prefix: text('REDIS_PREFIX', {
      default: 'holdfast',
      checks: [{ accepts: (prefix) => /^[\w.:-]{1,50}$/.test(prefix), rule: 'must be 1 to 50 of A-Z a-z 0-9 _ . : -' }],
      doc: 'First part of every key and channel, so that deployments may share a Redis',
    }),
  },
  {
    rules: [
      externalInProduction('REDIS_URL', 'REDIS_HOST', 'REDIS_CLUSTER_NODES'),
      exclusive('REDIS_URL', 'REDIS_CLUSTER_NODES'),
      exclusive('REDIS_HOST', 'REDIS_CLUSTER_NODES'),
    ],
    derive: ({ password, prefix, ...places }) => ({
      password,
      prefix,
      /** Undefined without Redis. */
      servers: serversOf(places),
    }),
  },
);
export type RedisSettings = InstanceType<typeof RedisSettings>;

interface Places {
  readonly url: string | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly cluster: readonly string[];
}

function serversOf({ url, host, port, cluster }: Places): Servers | undefined {
  if (cluster.length > 0) return { cluster: cluster.map(nodeOf) };
  if (url !== undefined) return { url };
  if (host === undefined) return undefined;
  return { url: `redis://${hostInUrl(host)}:${port}` };
}

function nodeOf(item: string): { host: string; port: number } {
  const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(item) ?? [];
  return { host, port: Number(port) };
}
