// Checks whether the process is alive and ready for traffic, and the state of its services.
import { Inject, Injectable } from '@nestjs/common';
import {
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
  type HealthIndicatorResult,
  TypeOrmHealthIndicator,
} from '@nestjs/terminus';
import { FileStorage } from '../storage/file-storage.js';
import { succeedsWithin } from '../shared/libs/time-limit.js';
import { Redis } from '../shared/redis/redis.js';
import { MigrationStatus } from '../shared/database/migration-status.js';
import { Lifecycle } from '../shared/lifecycle/lifecycle.js';
import { QueueDriver } from '../workers/drivers/queue.driver.js';
import { HealthErrors } from './health.errors.js';

/** Short, because a probe reports nothing when it exceeds its own timeout. */
const DATABASE_TIMEOUT_MS = 1_500;
const FILES_TIMEOUT_MS = 1_000;
/** Probes are public, and each queries the database: a probe shares the result of one that runs, or has just ended. */
const SHARED_MS = 100;

export interface HealthReport {
  /** `degraded`: requests are served, but a service that not all of them need is away, slow or full; `details` names it. */
  status: 'ok' | 'degraded';
  details: Record<string, unknown>;
}

interface Outcome {
  isReady: boolean;
  details: Record<string, unknown>;
}

@Injectable()
export class HealthService {
  private readonly askReady = shareFor(SHARED_MS, () =>
    this.ask([
      () => this.checkLifecycle(),
      () => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      () => this.checkMigrations(),
    ]),
  );
  private readonly askStartup = shareFor(SHARED_MS, () =>
    this.ask([
      () => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      () => this.checkMigrations(),
    ]),
  );
  private readonly askFiles = shareFor(SHARED_MS, () => this.checkFiles());

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: HealthIndicatorService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly migrations: MigrationStatus,
    private readonly lifecycle: Lifecycle,
    private readonly driver: QueueDriver,
    private readonly storage: FileStorage,
    @Inject(Redis) private readonly redis: Redis | null,
  ) {}

  /** Returns the state of all services. Throws NOT_READY with the failed checks. */
  async checkReady(): Promise<HealthReport> {
    const { state } = this.lifecycle;
    const details = detailsOf(await this.askReady(state));
    const cache = this.checkCache();
    const broker = this.checkBroker();
    const files = await this.askFiles(state);
    const isDegraded = [cache, broker, files].some(({ status }) => status === 'degraded');
    return { status: isDegraded ? 'degraded' : 'ok', details: { ...details, cache, broker, files } };
  }

  /** Throws NOT_READY until the process has started and all migrations have run. */
  async checkStartup(): Promise<HealthReport> {
    return { status: 'ok', details: detailsOf(await this.askStartup(this.lifecycle.state)) };
  }

  private async ask(checks: HealthIndicatorFunction[]): Promise<Outcome> {
    try {
      const { details } = await this.health.check(checks);
      return { isReady: true, details };
    } catch (error) {
      const { getResponse } = error as { getResponse?: () => { details: Outcome['details'] } };
      if (!getResponse) throw error;
      return { isReady: false, details: getResponse.call(error).details };
    }
  }

  private checkCache(): { status: 'up' | 'degraded' } & Record<string, string> {
    return this.redis?.isUp === false
      ? { status: 'degraded', message: 'Redis is away: reads come from the database, limits count per process.' }
      : { status: 'up', store: this.redis ? 'redis' : 'memory' };
  }

  /** Returns no names or addresses, because the route is public; the log contains them. */
  private checkBroker(): { status: 'up' | 'degraded' } & Record<string, string> {
    const kind = this.driver.broker ? 'rabbitmq' : 'postgres';
    if (this.driver.broker?.isUp !== false) return { status: 'up', kind };
    const { refusal } = this.driver;
    const fault = refusal === null ? 'is away' : `refuses this server (${refusal}; the log has the details)`;
    return { status: 'degraded', kind, message: `RabbitMQ ${fault}: jobs are handed out by PostgreSQL alone.` };
  }

  /** Reports a failed storage as degraded, because everything else works without it. */
  private async checkFiles(): Promise<{ status: 'up' | 'degraded' } & Record<string, string>> {
    const { kind } = this.storage;
    if (await succeedsWithin(FILES_TIMEOUT_MS, this.storage.expectWorking())) return { status: 'up', kind };
    const message = 'Files cannot be stored: the storage is full, or away, and then they cannot be read either.';
    return { status: 'degraded', kind, message };
  }

  private checkLifecycle(): HealthIndicatorResult {
    const check = this.indicator.check('process');
    return this.lifecycle.state === 'serving' ? check.up() : check.down({ state: this.lifecycle.state });
  }

  private async checkMigrations(): Promise<HealthIndicatorResult> {
    const check = this.indicator.check('migrations');
    const pending = await this.migrations.pending().catch(() => null);
    if (pending === null) return check.down({ message: 'unknown while the database does not answer' });
    return pending.length === 0 ? check.up() : check.down({ pending });
  }
}

/** Throws NOT_READY, a new error for each caller. */
function detailsOf({ isReady, details }: Outcome): Outcome['details'] {
  if (!isReady) throw HealthErrors.NOT_READY().withHeader('Retry-After', '1').withExtension('details', details);
  return details;
}

/** Returns a function that shares one call of `ask` until `ms` after its end, as long as `state` stays the same. */
function shareFor<T>(ms: number, ask: () => Promise<T>): (state: string) => Promise<T> {
  let last: { state: string; answer: Promise<T>; endedAtMs: number } | undefined;
  return (state) => {
    if (last?.state === state && performance.now() - last.endedAtMs < ms) return last.answer;
    const look = { state, answer: ask(), endedAtMs: Infinity };
    const end = (): void => void (look.endedAtMs = performance.now());
    look.answer.then(end, end);
    last = look;
    return look.answer;
  };
}
