// Reads, replays and discards dead letters; each replay or discard emits one event.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import { constraintOf } from '../../shared/database/sql-state.js';
import { Transaction } from '../../shared/database/transaction.js';
import { Events } from '../../shared/events/events.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import type { ReplayDeadLettersDto, ReplayedDto } from './dto/dead-letter.dto.js';
import type { Job } from '../job.entity.js';
import { JobErrors } from '../jobs.errors.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import { announceAfterCommit } from '../engine/announce-after-commit.js';
import { JobsDiscarded, JobsReplayed } from '../jobs.events.js';

/** Number of tries: a new job may take the key of a dead letter that was just selected; the next try skips that one. */
const MAX_TRIES = 5;

@Injectable()
export class DeadLettersService {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly driver: QueueDriver,
    private readonly transaction: Transaction,
    private readonly events: Events,
  ) {}

  /** Returns the dead letter. Throws NOT_DEAD. */
  async get(id: string): Promise<Job> {
    const job = await this.jobs.findDead(id);
    if (!job) throw JobErrors.NOT_DEAD(id);
    return job;
  }

  /** Replays one dead letter. Throws KEY_TAKEN, and NOT_DEAD, also for the second of two simultaneous replays. */
  async replay(id: string): Promise<Job> {
    try {
      return await this.transaction.run(async () => {
        if ((await this.send([id])) === 0) throw JobErrors.NOT_DEAD(id);
        return (await this.jobs.find(id, null)) as Job; // its row is locked
      });
    } catch (error) {
      throw isKeyTaken(error) ? JobErrors.KEY_TAKEN() : error;
    }
  }

  /**
   * Replays matching dead letters, at most `filter.limit`; `more`: there may be others. Throws VALIDATION_FAILED without a
   * filter, and KEY_TAKEN when unique keys were taken in every try.
   */
  async replayMatching(filter: ReplayDeadLettersDto): Promise<ReplayedDto> {
    if (!filter.queue && !filter.type && !filter.reason)
      throw HttpErrors.VALIDATION_FAILED('The body must name a queue, a type or a reason.');
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.transaction.run(async () => {
          const { ids, found } = await this.jobs.claimDead(filter);
          return { replayed: await this.send(ids), more: found === filter.limit };
        });
      } catch (error) {
        if (!isKeyTaken(error)) throw error;
        if (attempt === MAX_TRIES) throw JobErrors.KEY_TAKEN();
      }
    }
  }

  /** Discards one dead letter. Throws NOT_DEAD, VERSION_STALE. */
  async discard(id: string, expected: ExpectedVersions): Promise<void> {
    await this.transaction.run(async () => {
      await this.jobs.discard(id, expected);
      await this.events.emit(JobsDiscarded, { jobIds: [id] }, { id });
    });
  }

  /** Runs in the caller's transaction. Returns the number of replayed dead letters. */
  private async send(ids: readonly string[]): Promise<number> {
    const replayed = ids.length > 0 ? await this.jobs.replay(ids, this.driver.announces) : [];
    if (replayed.length === 0) return 0;
    const queues = replayed.map(({ queue }) => queue);
    announceAfterCommit(this.transaction, this.driver, queues);
    await this.events.emit(JobsReplayed, { jobIds: replayed.map(({ uuid }) => uuid) });
    return replayed.length;
  }
}

function isKeyTaken(error: unknown): boolean {
  return constraintOf(error) === 'jobs_unique';
}
