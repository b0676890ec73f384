// Cancels jobs, running ones too.
import { Inject, Injectable } from '@nestjs/common';
import type { Actor } from '../../common/access/permissions.js';
import { type ExpectedVersions, expectVersion } from '../../common/repositories/expected-versions.js';
import { Transaction } from '../../shared/database/transaction.js';
import { Events } from '../../shared/events/events.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { Signals } from '../../shared/pubsub/signals.js';
import { CANCEL_TOPIC } from '../engine/heartbeats.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import { JobErrors } from '../jobs.errors.js';
import { JobCancelled } from '../jobs.events.js';
import { findVisible, scopeOf } from './visible-job.js';

@Injectable()
export class JobCanceller {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly signals: Signals,
    private readonly transaction: Transaction,
    private readonly events: Events,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Cancels a job. After this resolves, the job has no further effects in the database. A signal aborts the attempt in its
   * process; without the signal, its next heartbeat aborts it. Throws NOT_FOUND, FINISHED, VERSION_STALE.
   */
  async cancel(actor: Actor, id: string, expected: ExpectedVersions = null): Promise<void> {
    const { type, ownerUuid } = await findVisible(this.jobs, actor, id);
    const isCancelled = await this.transaction.run(async () => {
      const done = await this.jobs.cancel(id, scopeOf(actor), expected);
      if (done && ownerUuid !== actor.id) await this.events.emit(JobCancelled, { jobId: id, type }, { id });
      return done;
    });
    if (!isCancelled) {
      const { status, version } = await findVisible(this.jobs, actor, id);
      expectVersion(expected, version);
      throw JobErrors.FINISHED(status);
    }
    await this.signals
      .send(CANCEL_TOPIC, id)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'Failed to signal the cancellation of a job'));
  }
}
