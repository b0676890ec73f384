// Redis, one node or a cluster, behind a circuit breaker: each call returns or fails within 100 ms.
import type { OnApplicationShutdown } from '@nestjs/common';
import { within } from '../libs/time-limit.js';
import type { Logger } from '../logging/logger.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { type LuaScript, readLuaScripts } from './lua-scripts.js';
import {
  createClient,
  createSubscriber,
  joinCommands,
  identify,
  mastersOf,
  onConnectionLost,
  type RedisClient,
  type RedisNode,
  type RedisServers,
} from './redis-client.js';

/** Redis did not answer in time, or is known to be unreachable. The cause is in the log, once. */
export class RedisUnavailableError extends Error {
  constructor() {
    super('Redis is away.');
    this.name = 'RedisUnavailableError';
  }
}

/** Returns undefined when Redis is unreachable. Rejects with every other error. */
export async function unlessUnavailable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RedisUnavailableError) return undefined;
    throw error;
  }
}

const CLOSE_MS = 500;
const SCAN_COUNT = 1_000;

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
  private readonly breaker = new CircuitBreaker({
    probe: () => this.probe(),
    onDown: (error) => this.reportUnavailable(error),
    onUp: () => this.reportBack(),
  });
  private lastError: Error | undefined;

  constructor(
    config: RedisServers,
    private readonly logger: Logger,
  ) {
    this.prefix = config.prefix;
    this.client = createClient(config);
    this.client.on('error', (error: Error) => (this.lastError = error)); // the next probe logs it, once
    // The next probe must check that it is still the same server before its data is trusted.
    onConnectionLost(this.client, () => {
      if (!this.breaker.isClosed) this.breaker.fail(new Error('The connection was lost.'));
    });
    for (const { name, lua } of this.scripts) this.client.defineCommand(name, { lua });
  }

  /** False while no commands are allowed, until a probe succeeds. */
  get isUp(): boolean {
    return this.breaker.isUp;
  }

  /** Calls `listener` on every successful probe, for the first time at once. */
  whenReachable(listener: Reachable): void {
    this.listeners.push(listener);
    this.probeSoon();
  }

  /** Starts a probe now, without waiting for its next turn. */
  probeSoon(): void {
    this.breaker.probeSoon();
  }

  /** Calls `listener` after Redis became unreachable or reachable. */
  onChange(listener: (up: boolean) => void): void {
    this.breaker.onChange(listener);
  }

  /** Connects. If Redis does not answer within a second, retries continue in the background. */
  async open(): Promise<void> {
    await this.client.connect().catch(() => undefined);
    await this.breaker.probe();
  }

  async onApplicationShutdown(): Promise<void> {
    this.breaker.close();
    await within(CLOSE_MS, this.client.quit()).catch(() => this.client.disconnect());
  }

  /** Runs commands. Throws RedisUnavailableError. */
  async run<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    if (!this.isUp) throw new RedisUnavailableError();
    try {
      joinCommands(this.client);
      return await this.breaker.limited(() => work(this.client));
    } catch (error) {
      this.breaker.fail(error as Error);
      throw new RedisUnavailableError();
    }
  }

  /** Runs a Lua file by its name (EVALSHA; EVAL when the server does not know it yet). Throws RedisUnavailableError. */
  script<T>(name: string, keys: readonly string[], args: ReadonlyArray<ScriptArgument> = []): Promise<T> {
    return this.run(() => this.callScript(name, keys, args));
  }

  /** Yields all keys that match a glob pattern, in pages from every master; some keys may come twice. Throws RedisUnavailableError. */
  async *scan(match: string): AsyncGenerator<string[]> {
    for (const node of mastersOf(this.client))
      for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
        const from = cursor;
        const [next, keys] = await this.run(() => node.scan(from, 'MATCH', match, 'COUNT', SCAN_COUNT));
        if (keys.length > 0) yield keys;
        cursor = next;
      }
  }

  /** Returns a section of INFO from every master. Throws RedisUnavailableError. */
  infos(section: string): Promise<string[]> {
    return this.run((client) => Promise.all(mastersOf(client).map((node) => node.info(section))));
  }

  /**
   * Returns a separate connection for subscriptions, to the node that owns `channel`'s slot. Messages that a script publishes
   * there reach all subscribers in the same order, also in a cluster. Throws RedisUnavailableError.
   */
  createSubscriber(channel: string): RedisNode {
    const subscriber = createSubscriber(this.client, channel);
    if (!subscriber) throw new RedisUnavailableError();
    return subscriber;
  }

  private callScript<T>(name: string, keys: readonly string[], args: ReadonlyArray<ScriptArgument>): Promise<T> {
    const command = (this.client as unknown as Record<string, (...args: unknown[]) => Promise<T>>)[name];
    if (!command) throw new Error(`There is no Lua file ${name}-<number of keys>.lua.`);
    return command.apply(this.client, [keys.length, ...keys, ...args]);
  }

  private async probe(): Promise<void> {
    const identity = await this.breaker.limited(() => identify(this.client));
    const script: RunScript = (name, keys, args) => this.breaker.limited(() => this.callScript(name, keys, args));
    for (const listener of this.listeners) await listener(identity, script);
  }

  private reportUnavailable(error: Error): void {
    const reason = (this.lastError ?? error).message;
    this.logger.warn(`Redis is away (${reason}): reads use the database, and each process counts rate limits alone`);
  }

  private reportBack(): void {
    this.logger.info('Redis answers');
    this.lastError = undefined;
  }
}
