// Buffer of the wake-ups of one queue in this process. Each permits claiming one job of the queue, not that very job:
// the claim takes the most urgent row, whichever job's wake-up arrives first.
import type { ClaimPermit } from './queue.driver.js';

export interface WakeUp {
  /** Time of arrival, as `performance.now()`. */
  readonly at: number;
  ack(): void;
}

export class WakeUpBuffer {
  private waiting: WakeUp[] = [];
  /** True when a claim is permitted without a wake-up. */
  private mayClaim = false;
  /** True when the last scan found due jobs and no wake-up has arrived since. */
  private areWakeUpsMissing = false;

  add(wakeUp: WakeUp): void {
    this.areWakeUpsMissing = false;
    this.waiting.push(wakeUp);
  }

  /**
   * Called when a scan found due jobs. Without a broker, they may be claimed at once. With a broker, their wake-ups are on
   * their way or in a busy process. When two scans in a row find due jobs here and no wake-up arrives in between, the
   * wake-ups count as lost. Returns true when a claim is permitted now.
   */
  noteDueJobs(hasBroker: boolean): boolean {
    const isLost = this.areWakeUpsMissing || !hasBroker;
    this.areWakeUpsMissing = this.waiting.length === 0;
    if (this.areWakeUpsMissing && isLost) this.mayClaim = true;
    return this.mayClaim || !this.areWakeUpsMissing;
  }

  permitClaim(free: number): ClaimPermit | null {
    const wakeUps = this.waiting.splice(0, free);
    const mayClaim = this.mayClaim;
    if (wakeUps.length === 0 && !mayClaim) return null;
    this.mayClaim = false;
    const maxJobs = mayClaim ? free : wakeUps.length;
    return {
      maxJobs,
      // Acknowledges all: a claim returns fewer jobs than wake-ups when other processes have taken those jobs already.
      claimed: (count) => {
        for (const wakeUp of wakeUps) wakeUp.ack();
        if (mayClaim && count >= maxJobs) this.mayClaim = true;
      },
      failed: () => {
        this.waiting.unshift(...wakeUps);
        this.mayClaim ||= mayClaim;
      },
    };
  }

  /**
   * Acknowledges wake-ups that have waited `ms` for a slot, because RabbitMQ closes the channel of a consumer that holds a
   * message for 30 min. Does not requeue them, since they would return at once. Their rows remain, and a scan finds them.
   */
  drop(ms: number): void {
    const oldest = performance.now() - ms;
    for (const wakeUp of this.waiting) if (wakeUp.at < oldest) wakeUp.ack();
    this.waiting = this.waiting.filter(({ at }) => at >= oldest);
  }
}
