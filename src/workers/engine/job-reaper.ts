// Takes back the jobs of dead workers: those whose lease has expired.
import { Inject, Injectable } from '@nestjs/common';
import { repeat, type StopRepeating } from '../../shared/libs/repeat.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { JobErrors } from '../jobs.errors.js';
import { JobSettings } from '../jobs.settings.js';
import { JobQueueRepository } from './job-queue.repository.js';
import { JobOutcomes } from './job-outcomes.js';

@Injectable()
export class JobReaper {
  private stopReaping: StopRepeating | undefined;

  constructor(
    private readonly repository: JobQueueRepository,
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
    const reaped = await this.repository.reap(code, message);
    if (reaped.length === 0) return;
    const isDead = ({ status }: (typeof reaped)[number]): boolean => status === 'FAILED';
    for (const job of reaped) {
      const { uuid: jobId, request_id, type, attempt, status, worker } = job;
      this.logger.warn(
        { requestId: request_id ?? jobId, jobId, type, attempt, status, code, worker },
        'Took back the job of a dead worker',
      );
      if (!isDead(job)) this.outcomes.willRetry(job);
    }
    this.outcomes.failed(reaped.filter(isDead), code);
  }
}
