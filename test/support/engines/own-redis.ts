// Separate Redis servers for a test on free ports: they can be killed, frozen and restarted.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { REDIS_SERVER } from './services.js';
import { until } from '../time/until.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export class OwnRedis {
  private readonly dir = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly options: readonly string[],
  ) {}

  /** `options`: further arguments of redis-server. Without them a restart loses all data. */
  static async start(options: readonly string[] = ['--save', '']): Promise<OwnRedis> {
    const redis = new OwnRedis(await freePort(), options);
    await redis.up();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts or restarts the server, and waits until it answers. */
  async up(): Promise<void> {
    if (REDIS_SERVER === undefined) throw new Error('redis-server is not installed: skip this suite by name.');
    const bind = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir];
    this.child = spawn(REDIS_SERVER, [...bind, '--loglevel', 'warning', ...this.options], { stdio: 'ignore' });
    await until(() => this.ask((client) => client.ping()).catch(() => false), `redis-server on ${this.port}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  async kill(): Promise<void> {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.signal('SIGKILL');
    await ended;
  }

  /** Runs `question` on a short-lived connection and returns its result. */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await question(client);
    } finally {
      client.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A Redis Cluster of masters that share all slots. */
export class OwnRedisCluster {
  private constructor(readonly nodes: readonly OwnRedis[]) {}

  static async start(masters = 3): Promise<OwnRedisCluster> {
    const nodes: OwnRedis[] = [];
    for (let at = 0; at < masters; at++) {
      const bus = String(await freePort());
      nodes.push(await OwnRedis.start(['--save', '', '--cluster-enabled', 'yes', '--cluster-port', bus]));
    }
    const [first] = nodes as [OwnRedis];
    const share = Math.ceil(16_384 / masters);
    for (const [at, node] of nodes.entries())
      await node.ask(async (client) => {
        const last = Math.min(16_384, (at + 1) * share) - 1;
        await client.call('CLUSTER', 'ADDSLOTSRANGE', at * share, last);
        const [, bus] = (await first.ask((one) => one.call('CONFIG', 'GET', 'cluster-port'))) as [string, string];
        if (node !== first) await client.call('CLUSTER', 'MEET', '127.0.0.1', first.port, bus);
      });
    const cluster = new OwnRedisCluster(nodes);
    for (const node of nodes) await until(() => node.ask(isComplete(masters)), 'the cluster to be complete');
    return cluster;
  }

  /** The nodes in the format of REDIS_CLUSTER_NODES. */
  get addresses(): string {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
  }
}

const isComplete = (masters: number) => async (client: Redis) => {
  const info = (await client.call('CLUSTER', 'INFO')) as string;
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${masters}`);
};
