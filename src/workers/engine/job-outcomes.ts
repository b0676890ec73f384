// Records how jobs ended: counts them, publishes dead letters, and emits `job.done`, which nothing else does.
import { Injectable } from '@nestjs/common';
import { Events } from '../../shared/events/events.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import { JobDone } from '../jobs.events.js';
import { JobCounts } from './job-counts.js';

/** The columns of a job that its end is recorded with. */
export interface EndedJob {
  readonly uuid: string;
  readonly owner_uuid: string | null;
  readonly type: string;
  readonly queue: string;
}

@Injectable()
export class JobOutcomes {
  constructor(
    private readonly counts: JobCounts,
    private readonly driver: QueueDriver,
    private readonly events: Events,
  ) {}

  async succeeded(job: EndedJob): Promise<void> {
    this.counts.add(job.queue, 'succeeded');
    await this.emit(job, 'SUCCEEDED');
  }

  /** An attempt failed, and another one follows. */
  willRetry({ queue }: EndedJob): void {
    this.counts.add(queue, 'retried');
  }

  /** The jobs failed for good. `reason`: the code of their last failure. */
  async failed(jobs: readonly EndedJob[], reason: string): Promise<void> {
    this.driver.publishDeadLetters(jobs.map(({ uuid, type, queue }) => ({ jobId: uuid, type, queue, reason })));
    for (const { queue } of jobs) this.counts.add(queue, 'dead');
    for (const job of jobs) await this.emit(job, 'FAILED');
  }

  async cancelled(job: EndedJob): Promise<void> {
    await this.emit(job, 'CANCELLED');
  }

  private emit(
    { uuid: jobId, owner_uuid: ownerId, type }: EndedJob,
    status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED',
  ): Promise<void> {
    return this.events.emit(JobDone, { jobId, ownerId, type, status });
  }
}
