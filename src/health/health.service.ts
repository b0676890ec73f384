// What probes and operators ask: is the process alive, may it get traffic, what is the state of everything.
import { Inject, Injectable } from '@nestjs/common';
import {
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
  type HealthIndicatorResult,
  TypeOrmHealthIndicator,
} from '@nestjs/terminus';
import { Redis } from '../shared/services/cache/redis.js';
import { MigrationStatus } from '../shared/services/database/migration-status.js';
import { Lifecycle } from '../shared/services/lifecycle.js';
import { HealthErrors } from './health.errors.js';

/** Short: a probe that waits longer than its own timeout tells nothing. */
const DATABASE_TIMEOUT_MS = 1_500;

export interface HealthReport {
  /** `degraded`: everything works, something slower than usual; `details` names it. */
  status: 'ok' | 'degraded';
  details: Record<string, unknown>;
}

@Injectable()
export class HealthService {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: HealthIndicatorService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly migrations: MigrationStatus,
    private readonly lifecycle: Lifecycle,
    @Inject(Redis) private readonly redis: Redis | null,
  ) {}

  /** Throws NOT_READY with what fails. */
  async checkReady(): Promise<HealthReport> {
    const { details } = await this.check([
      () => this.checkLifecycle(),
      () => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      () => this.checkMigrations(),
    ]);
    const degraded = this.redis?.isUp === false;
    const cache = degraded
      ? { status: 'degraded', message: 'Redis is away: reads come from the database, limits count per process.' }
      : { status: 'up', store: this.redis ? 'redis' : 'memory' };
    return { status: degraded ? 'degraded' : 'ok', details: { ...details, cache } };
  }

  /** Throws NOT_READY until the process has started and the migrations are there. */
  checkStartup(): Promise<HealthReport> {
    return this.check([
      () => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      () => this.checkMigrations(),
    ]);
  }

  private async check(checks: HealthIndicatorFunction[]): Promise<HealthReport> {
    const result = await this.health.check(checks).catch((error: { getResponse?: () => unknown }) => {
      if (!error.getResponse) throw error;
      throw HealthErrors.NOT_READY()
        .withHeader('Retry-After', '1')
        .withExtension('details', (error.getResponse() as { details: unknown }).details);
    });
    return { status: 'ok', details: result.details };
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
