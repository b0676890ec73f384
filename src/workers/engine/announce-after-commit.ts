// Announces due jobs to the driver after the commit of the transaction that created them.
import type { Outcome, Participant, Transaction } from '../../shared/database/transaction.js';
import type { QueueDriver } from '../drivers/queue.driver.js';

/** Must run inside a transaction. Announces nothing when the transaction is rolled back. */
export function announceAfterCommit(transaction: Transaction, driver: QueueDriver, queues: Iterable<string>): void {
  const announcement = transaction.participant(driver, () => new AnnouncementAfterCommit(driver));
  if (!announcement) throw new Error('There is no transaction to wait for: announce at once.');
  for (const queue of queues) announcement.queues.add(queue);
}

class AnnouncementAfterCommit implements Participant {
  readonly queues = new Set<string>();

  constructor(private readonly driver: QueueDriver) {}

  /** Announces also when the outcome is unknown: a claim that finds nothing does no harm. */
  finish(outcome: Outcome): void {
    if (outcome !== 'rolled back') this.driver.announce(this.queues);
  }
}
