// Takes back the jobs of dead workers: those whose lease has expired.
import { Inject, Injectable } from '@nestjs/common';
import { repeat, type StopRepeating } from '../../shared/libs/repeat.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { JobErrors } from '../jobs.errors.js';
import { JobSettings } from '../jobs.settings.js';
import { JobLedger } from './job-ledger.js';
import { JobOutcomes } from './job-outcomes.js';

@Injectable()
export class JobReaper {
  private stopReaping: StopRepeating | undefined;

  constructor(
    private readonly ledger: JobLedger,
    private readonly outcomes: JobOutcomes,
    private readonly settings: JobSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  start(): void {
    const interval = Math.min(1_000, this.settings.lease / 4);
    this.stopReaping = repeat(
      interval,
      () => this.reap(),
      (error) => this.logger.warn({ err: error }, 'Failed to take back the jobs of dead workers'),
    );
  }

  stop(): void {
    this.stopReaping?.();
  }

  private async reap(): Promise<void> {
    const { code, message } = JobErrors.WORKER_LOST();
    const reaped = await this.ledger.reap(code, message);
    if (reaped.length === 0) return;
    this.logger.warn({ jobs: reaped.length }, 'Took back the jobs of dead workers');
    const isDead = ({ status }: (typeof reaped)[number]): boolean => status === 'FAILED';
    for (const job of reaped) if (!isDead(job)) this.outcomes.willRetry(job);
    await this.outcomes.failed(reaped.filter(isDead), code);
  }
}
