// Checks whether the process is alive and ready for traffic.
import { Injectable } from '@nestjs/common';
import {
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
  type HealthIndicatorResult,
  TypeOrmHealthIndicator,
} from '@nestjs/terminus';
import { MigrationStatus } from '../shared/database/migration-status.js';
import { Lifecycle } from '../shared/lifecycle/lifecycle.js';
import { HealthErrors } from './health.errors.js';
import { ServiceChecks } from './service-checks.js';

/** Short, because a probe reports nothing when it exceeds its own timeout. */
const DATABASE_TIMEOUT_MS = 1_500;
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
  private readonly askFiles = shareFor(SHARED_MS, () => this.services.checkFiles());

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: HealthIndicatorService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly migrations: MigrationStatus,
    private readonly lifecycle: Lifecycle,
    private readonly services: ServiceChecks,
  ) {}

  /** Returns the state of all services. Throws NOT_READY with the failed checks. */
  async checkReady(): Promise<HealthReport> {
    const { state } = this.lifecycle;
    const details = detailsOf(await this.askReady(state));
    const cache = this.services.checkCache();
    const broker = this.services.checkBroker();
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
