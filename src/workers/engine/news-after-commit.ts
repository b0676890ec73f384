// Tells the driver of due work once the transaction that made it is committed.
import type { Outcome, Participant, Transaction } from '../../shared/database/transaction.js';
import type { QueueDriver } from '../drivers/queue.driver.js';

/** In a running transaction. What is rolled back is told to nobody. */
export function announceAfterCommit(transaction: Transaction, driver: QueueDriver, queues: Iterable<string>): void {
  const news = transaction.participant(driver, () => new NewsAfterCommit(driver));
  if (!news) throw new Error('There is no transaction to wait for: announce at once.');
  for (const queue of queues) news.queues.add(queue);
}

class NewsAfterCommit implements Participant {
  readonly queues = new Set<string>();

  constructor(private readonly driver: QueueDriver) {}

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  /** Also when nobody knows how it ended: who looks in vain loses nothing. */
  finish(outcome: Outcome): void {
    if (outcome !== 'rolled back') this.driver.announce(this.queues);
  }
}
