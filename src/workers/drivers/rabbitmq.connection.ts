// Keeps a session with RabbitMQ open, opens a new one after each failure, and reports when there is none.
import { exponential } from '../../shared/libs/backoff.js';
import type { Logger } from '../../shared/logging/logger.js';
import { RabbitRefusal, type RefusalCode, refusalOf } from './rabbitmq.refusal.js';
import { RabbitSession } from './rabbitmq.session.js';
import { expectVersion } from './rabbitmq.topology.js';

/** The user of the sessions: RabbitDriver. */
export interface SessionListener {
  /** Prepares a session before it counts as up. Rejects when the session is not usable. */
  prepare(session: RabbitSession): Promise<void>;
  begin(session: RabbitSession): void;
  /** Called when the broker becomes unavailable. */
  unavailable(): void;
}

/**
 * Random wait before the next attempt, between 0 and a limit that doubles from 100 ms up to 3 s: reconnects within 4 s, and
 * not all processes at once.
 */
const wait = exponential(100, 3_000);
/** A session that lived this long resets the number of attempts. */
const STABLE_MS = 10_000;
const FALLBACK = 'jobs are handed out by PostgreSQL alone';

export class RabbitConnection {
  private current: RabbitSession | null = null;
  private failure: Error | null = new Error('not connected yet');
  private attempts = 0;
  /** The state that was last logged. */
  private loggedState = '';
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly url: string,
    private readonly user: SessionListener,
    private readonly logger: Logger,
  ) {}

  /** Returns null when no session accepts messages at the moment. */
  get session(): RabbitSession | null {
    return this.current?.blockReason === null ? this.current : null;
  }

  /** Returns why there is no usable session; null when there is one. */
  get reason(): string | null {
    return this.failure?.message ?? this.current?.blockReason ?? null;
  }

  /** Returns the code of the broker's refusal; null when it does not refuse. */
  get refusal(): RefusalCode | null {
    return this.failure instanceof RabbitRefusal ? this.failure.code : null;
  }

  /** Tries to connect once, and retries in the background. Never rejects. */
  async open(): Promise<void> {
    let session: RabbitSession | undefined;
    try {
      session = await RabbitSession.open(this.url, () => this.announce());
      expectVersion(session.version);
      await this.user.prepare(session);
    } catch (error) {
      session?.fail(error as Error);
      return this.lost(error as Error, 0);
    }
    if (this.isClosed) return session.close();
    const began = performance.now();
    this.current = session;
    this.failure = null;
    this.announce();
    void session.ended.then((error) => this.lost(error, performance.now() - began));
    this.user.begin(session);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.current?.close();
  }

  private lost(error: Error, lifetimeMs: number): void {
    this.current = null;
    this.failure = refusalOf(error) ?? error;
    if (this.isClosed) return;
    if (lifetimeMs > STABLE_MS) this.attempts = 0;
    this.timer = setTimeout(() => void this.open(), wait(++this.attempts));
    this.logger.debug(`RabbitMQ, try ${this.attempts}: ${error.message}`);
    this.announce();
  }

  /** Logs each change of state once. For a refusal, which only an operator can fix, logs the full reason. */
  private announce(): void {
    const { reason } = this;
    const state = reason === null ? 'up' : this.refusal !== null ? reason : 'away';
    if (this.loggedState === state) return;
    this.loggedState = state;
    if (state === 'up') this.logger.info('RabbitMQ answers');
    else if (state === 'away') this.logger.warn(`RabbitMQ is away (${reason}): ${FALLBACK}`);
    else this.logger.error(`${state}. Until then ${FALLBACK}`);
    if (state !== 'up') this.user.unavailable();
  }
}
