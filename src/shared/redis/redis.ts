// Redis, one node or a cluster, behind a circuit breaker: each call returns or fails within 100 ms.
import { createHash } from 'node:crypto';
import type { OnApplicationShutdown } from '@nestjs/common';
import slotOf from 'cluster-key-slot';
import { Redis as Node, Cluster } from 'ioredis';
import type { RedisSettings } from './redis.settings.js';
import type { Logger } from '../logging/logger.js';
import { type LuaScript, readLuaScripts } from './lua-scripts.js';

export type RedisClient = Node | Cluster;

/** Redis did not answer in time, or is known to be unreachable. The cause is in the log, once. */
export class RedisAwayError extends Error {
  constructor() {
    super('Redis is away.');
    this.name = 'RedisAwayError';
  }
}

/** A request calls Redis at most twice in a row before the breaker opens, so it waits at most 200 ms. */
const ANSWER_MS = 100;
const PROBE_WHEN_AWAY_MS = 250;
const PROBE_WHEN_UP_MS = 1_000;
const CLOSE_MS = 500;
const SCAN_COUNT = 1_000;

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

type ScriptArgument = string | number | Buffer;
export type RunScript = <T>(name: string, keys: readonly string[], args: ReadonlyArray<ScriptArgument>) => Promise<T>;

/**
 * Called before other commands are allowed, and then every second, with an identity of the current run of the servers.
 * While it fails, Redis counts as unreachable.
 */
type Reachable = (identity: string, script: RunScript) => Promise<void>;

export class Redis implements OnApplicationShutdown {
  readonly prefix: string;
  private readonly client: RedisClient;
  private readonly scripts: LuaScript[] = readLuaScripts();
  private readonly listeners: Reachable[] = [];
  private readonly changes: Array<(up: boolean) => void> = [];
  private up = false;
  private closed = false;
  private isTold = false;
  private lastError: Error | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly settings: RedisSettings & { servers: NonNullable<RedisSettings['servers']> },
    private readonly logger: Logger,
  ) {
    this.prefix = settings.prefix;
    this.client = this.createClient();
    this.client.on('error', (error: Error) => (this.lastError = error)); // the next probe logs it, once
    // After a lost connection, the probe must check that it is still the same server before its data is trusted.
    const cutOff = (): void => {
      if (!this.closed) this.fail(new Error('The connection was lost.'));
    };
    this.client.on('close', cutOff);
    this.client.on('+node', (node: Node) => node.on('close', cutOff));
    for (const { name, ...script } of this.scripts) this.client.defineCommand(name, script);
  }

  /** False while no commands are allowed, until a probe succeeds. */
  get isUp(): boolean {
    return this.up;
  }

  /** Calls `listener` on every successful probe, for the first time at once. */
  whenReachable(listener: Reachable): void {
    this.listeners.push(listener);
    this.probeSoon();
  }

  /** Starts a probe now, without waiting for its next turn. */
  probeSoon(): void {
    this.schedule(0);
  }

  /** Calls `listener` after Redis became unreachable or reachable. */
  onChange(listener: (up: boolean) => void): void {
    this.changes.push(listener);
  }

  /** Connects. If Redis does not answer within a second, retries continue in the background. */
  async open(): Promise<void> {
    await this.client.connect().catch(() => undefined);
    await this.probe();
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    this.up = false;
    clearTimeout(this.timer);
    await within(CLOSE_MS, () => this.client.quit()).catch(() => this.client.disconnect());
  }

  /** Runs commands. Throws RedisAwayError. */
  async run<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    if (!this.up) throw new RedisAwayError();
    return this.attempt(work);
  }

  /** Runs a Lua file by its name (EVALSHA; EVAL when the server does not know it yet). Throws RedisAwayError. */
  script<T>(name: string, keys: readonly string[], args: ReadonlyArray<ScriptArgument> = []): Promise<T> {
    return this.run(() => this.callScript(name, keys, args));
  }

  /** Yields all keys that match a glob pattern, in pages from every master; some keys may come twice. Throws RedisAwayError. */
  async *scan(match: string): AsyncGenerator<string[]> {
    for (const node of this.masters())
      for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
        const from = cursor;
        const [next, keys] = await this.run(() => node.scan(from, 'MATCH', match, 'COUNT', SCAN_COUNT));
        if (keys.length > 0) yield keys;
        cursor = next;
      }
  }

  /** Returns a section of INFO from every master. Throws RedisAwayError. */
  infos(section: string): Promise<string[]> {
    return this.run(() => Promise.all(this.masters().map((node) => node.info(section))));
  }

  /**
   * Returns a separate connection for subscriptions, to the node that owns `channel`'s slot. Messages that a script publishes
   * there reach all subscribers in the same order, also in a cluster.
   */
  createSubscriber(channel: string): Node {
    const node = this.client instanceof Cluster ? this.ownerOf(this.client, channel) : this.client;
    return node.duplicate({ ...OPTIONS, retryStrategy: null, enableReadyCheck: false });
  }

  private callScript<T>(name: string, keys: readonly string[], args: ReadonlyArray<ScriptArgument>): Promise<T> {
    const command = (this.client as unknown as Record<string, (...args: unknown[]) => Promise<T>>)[name];
    if (!command) throw new Error(`There is no Lua file ${name}-<number of keys>.lua.`);
    return command.apply(this.client, [...keys, ...args]);
  }

  private async attempt<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      return await within(ANSWER_MS, () => work(this.client));
    } catch (error) {
      this.fail(error);
      throw new RedisAwayError();
    }
  }

  private fail(error: unknown): void {
    if (!this.isTold) {
      this.isTold = true;
      const reason = (this.lastError ?? (error as Error)).message;
      this.logger.warn(`Redis is away (${reason}): reads use the database, and each process counts rate limits alone`);
    }
    if (!this.up) return;
    this.turn(false);
    this.schedule(PROBE_WHEN_AWAY_MS);
  }

  private turn(up: boolean): void {
    this.up = up;
    for (const change of this.changes) change(up);
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => void this.probe(), ms).unref();
  }

  private async probe(): Promise<void> {
    try {
      const identity = await within(ANSWER_MS, () => this.identify());
      const script: RunScript = (name, keys, args) => within(ANSWER_MS, () => this.callScript(name, keys, args));
      for (const listener of this.listeners) await listener(identity, script);
      if (!this.up && !this.closed) {
        this.logger.info('Redis answers');
        this.isTold = false;
        this.lastError = undefined;
        this.turn(true);
      }
    } catch (error) {
      this.fail(error);
    }
    this.schedule(this.up ? PROBE_WHEN_UP_MS : PROBE_WHEN_AWAY_MS);
  }

  /** Returns an identity of the servers. It stays the same while no server is restarted. */
  private async identify(): Promise<string> {
    const masters = this.masters();
    if (masters.length === 0) throw new Error('No Redis node is known.');
    const infos = await Promise.all(masters.map((node) => node.info('server')));
    const runs = infos.map((info) => /^run_id:(\w+)/m.exec(info)?.[1] ?? '').sort();
    return createHash('sha256').update(runs.join()).digest('hex').slice(0, 16);
  }

  private masters(): Node[] {
    return this.client instanceof Cluster ? this.client.nodes('master') : [this.client];
  }

  private ownerOf(cluster: Cluster, channel: string): Node {
    const [owner] = cluster.slots[slotOf(channel)] ?? [];
    const node = cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner);
    if (!node) throw new RedisAwayError();
    return node;
  }

  private createClient(): RedisClient {
    const { servers, password } = this.settings;
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
}

/**
 * Rejects after `ms` milliseconds without an answer. Data that the socket has already received is read before the rejection:
 * a process that was busy for a moment must not treat Redis as slow.
 */
async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new Error(`No answer within ${ms} ms.`))), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
