// Runs schedules on request of an administrator.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import { Events } from '../../shared/events/events.js';
import type { Job } from '../job.entity.js';
import { JobQueue } from '../job-queue.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import { findScheduledJob } from '../engine/scheduled-jobs.js';
import { ScheduleErrors } from './schedules.errors.js';
import { SchedulesRepository } from '../engine/schedules.repository.js';
import { ScheduleRun } from '../jobs.events.js';

@Injectable()
export class SchedulesService {
  constructor(
    private readonly schedules: SchedulesRepository,
    private readonly jobs: JobsRepository,
    private readonly queue: JobQueue,
    private readonly transaction: Transaction,
    private readonly events: Events,
  ) {}

  /** Enqueues the job and returns it, or the unfinished job that holds its unique key. Throws NOT_FOUND. */
  async run(name: string): Promise<Job> {
    const job = findScheduledJob(name);
    if (!job) throw ScheduleErrors.NOT_FOUND(name);
    return this.transaction.run(async () => {
      const { id } = await this.queue.enqueue(job, job.schedule.payload);
      await this.schedules.ran(name, id);
      await this.events.emit(ScheduleRun, { schedule: name, jobId: id }, { id });
      return (await this.jobs.find(id, null)) as Job;
    });
  }
}
