// The wake-ups of one queue that lie in this process. Each is leave to claim one job of the queue, not that very job: the
// claim takes the most urgent row there is, whichever row's wake-up comes first.
import type { Leave } from './queue.driver.js';

export interface WakeUp {
  /** By `performance.now()`. */
  readonly at: number;
  ack(): void;
}

export class Inbox {
  private waiting: WakeUp[] = [];
  /** Leave without a wake-up. */
  private isAwake = false;
  /** The last scan found due jobs, and there has been no wake-up since. */
  private isMissing = false;

  add(wakeUp: WakeUp): void {
    this.isMissing = false;
    this.waiting.push(wakeUp);
  }

  /**
   * A scan found due jobs. Without a broker they are claimed at once. With one, their wake-ups are on their way, or lie
   * in a process that is busy; when two scans in a row find due jobs here and no wake-up in between, they are lost, or as
   * good as lost. Gives whether there is leave now.
   */
  found(hasBroker: boolean): boolean {
    const isLost = this.isMissing || !hasBroker;
    this.isMissing = this.waiting.length === 0;
    if (this.isMissing && isLost) this.isAwake = true;
    return this.isAwake || !this.isMissing;
  }

  leave(free: number): Leave | null {
    const wakeUps = this.waiting.splice(0, free);
    const isAwake = this.isAwake;
    if (wakeUps.length === 0 && !isAwake) return null;
    this.isAwake = false;
    const most = isAwake ? free : wakeUps.length;
    return {
      most,
      // Who claimed less than there were wake-ups for came late: the others' jobs are taken already.
      claimed: (count) => {
        for (const wakeUp of wakeUps) wakeUp.ack();
        if (isAwake && count >= most) this.isAwake = true;
      },
      failed: () => {
        this.waiting.unshift(...wakeUps);
        this.isAwake ||= isAwake;
      },
    };
  }

  /**
   * Acknowledges those that have waited for a place for `ms`: RabbitMQ closes the channel of who holds a message for half
   * an hour. Not requeued, since they would be back at once. Their rows remain: whoever has a place finds them.
   */
  drop(ms: number): void {
    const oldest = performance.now() - ms;
    for (const wakeUp of this.waiting) if (wakeUp.at < oldest) wakeUp.ack();
    this.waiting = this.waiting.filter(({ at }) => at >= oldest);
  }
}
