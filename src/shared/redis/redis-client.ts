// The ioredis client of one node or a cluster, with options under which no command waits or runs twice.
import { createHash } from 'node:crypto';
import slotOf from 'cluster-key-slot';
import { Redis as Node, Cluster } from 'ioredis';
import { joinWrites } from '../libs/joined-writes.js';
import type { RedisSettings } from './redis.settings.js';

export type RedisClient = Node | Cluster;
export type RedisNode = Node;

/** The settings of a deployment that has Redis. */
export type RedisServers = RedisSettings & { servers: NonNullable<RedisSettings['servers']> };

/**
 * Unsent commands are not queued and no command is resent: a SET NX or INCR that had succeeded must not run twice.
 * `socketTimeout` closes a connection to a hanging server, so that the client opens a new one.
 */
const OPTIONS = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1_000,
  socketTimeout: 2_000,
  lazyConnect: true,
  retryStrategy: (attempt: number) => Math.random() * Math.min(1_000, 50 * 2 ** attempt),
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'), // after a failover the node is a replica
};

export function createClient({ servers, password }: RedisServers): RedisClient {
  const options = { ...OPTIONS, ...(password !== undefined && { password }) };
  if ('url' in servers) return new Node(servers.url, options);
  return new Cluster([...servers.cluster], {
    redisOptions: options,
    lazyConnect: true,
    enableOfflineQueue: false,
    slotsRefreshTimeout: 1_000,
    slotsRefreshInterval: 5_000,
    clusterRetryStrategy: OPTIONS.retryStrategy,
    retryDelayOnFailover: 20,
    retryDelayOnClusterDown: 20,
    retryDelayOnTryAgain: 20,
    maxRedirections: 4,
  });
}

/** Sends the commands of one turn of the event loop together. In a cluster each node's commands are too few to matter. */
export function joinCommands(client: RedisClient): void {
  if (client instanceof Node && client.status === 'ready') joinWrites(client.stream);
}

/** Calls `lost` when the connection to any node is lost. */
export function onConnectionLost(client: RedisClient, lost: () => void): void {
  client.on('close', lost);
  client.on('+node', (node: Node) => node.on('close', lost));
}

export function mastersOf(client: RedisClient): RedisNode[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/** Returns an identity of the servers. It stays the same while no server is restarted. */
export async function identify(client: RedisClient): Promise<string> {
  const masters = mastersOf(client);
  if (masters.length === 0) throw new Error('No Redis node is known.');
  const infos = await Promise.all(masters.map((node) => node.info('server')));
  const runs = infos.map((info) => /^run_id:(\w+)/m.exec(info)?.[1] ?? '').sort();
  return createHash('sha256').update(runs.join()).digest('hex').slice(0, 16);
}

/**
 * Returns a separate connection for subscriptions, to the node that owns `channel`'s slot; undefined when no node is known to
 * own it. It does not reconnect by itself.
 */
export function createSubscriber(client: RedisClient, channel: string): RedisNode | undefined {
  const node = client instanceof Cluster ? ownerOf(client, channel) : client;
  return node?.duplicate({ ...OPTIONS, retryStrategy: null, enableReadyCheck: false });
}

function ownerOf(cluster: Cluster, channel: string): RedisNode | undefined {
  const [owner] = cluster.slots[slotOf(channel)] ?? [];
  return cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner);
}
