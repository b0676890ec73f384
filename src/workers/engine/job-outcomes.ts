// Counts how jobs ended, and publishes dead letters. The statements that end jobs record `job.done`.
import { Injectable } from '@nestjs/common';
import { QueueDriver } from '../drivers/queue.driver.js';
import { JobCounts } from './job-counts.js';

/** The columns of a job that its end is counted and published with. */
export interface EndedJob {
  readonly uuid: string;
  readonly type: string;
  readonly queue: string;
}

@Injectable()
export class JobOutcomes {
  constructor(
    private readonly counts: JobCounts,
    private readonly driver: QueueDriver,
  ) {}

  succeeded({ queue }: EndedJob): void {
    this.counts.add(queue, 'succeeded');
  }

  /** An attempt failed, and another one follows. */
  willRetry({ queue }: EndedJob): void {
    this.counts.add(queue, 'retried');
  }

  /** The jobs failed for good. `reason`: the code of their last failure. */
  failed(jobs: readonly EndedJob[], reason: string): void {
    this.driver.publishDeadLetters(jobs.map(({ uuid, type, queue }) => ({ jobId: uuid, type, queue, reason })));
    for (const { queue } of jobs) this.counts.add(queue, 'dead');
  }
}
