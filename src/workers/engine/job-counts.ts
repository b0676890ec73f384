// Counts outcomes of jobs by queue and minute. For rates only: the rows of the jobs are the source of truth.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';

export type JobCount = 'succeeded' | 'retried' | 'dead';
type Counts = Record<JobCount, number>;

/** Interval between two writes. A killed process loses the counts since the last one. */
const FLUSH_MS = 5_000;

@Injectable()
export class JobCounts {
  private counts = new Map<string, Counts>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly transaction: Transaction) {}

  start(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  add(queue: string, what: JobCount, count = 1): void {
    let counts = this.counts.get(queue);
    if (!counts) this.counts.set(queue, (counts = { succeeded: 0, retried: 0, dead: 0 }));
    counts[what] += count;
  }

  private async flush(): Promise<void> {
    if (this.counts.size === 0) return;
    const rows = [...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)); // the same order in all processes avoids deadlocks
    this.counts = new Map();
    const column = (what: JobCount): number[] => rows.map(([, counts]) => counts[what]);
    await this.transaction
      .query({
        name: 'job-counts-add',
        text: `INSERT INTO job_counts AS c (queue, minute, succeeded, retried, dead)
          SELECT queue, date_trunc('minute', now()), succeeded, retried, dead
          FROM unnest($1::varchar[], $2::integer[], $3::integer[], $4::integer[]) AS n (queue, succeeded, retried, dead)
          ON CONFLICT (queue, minute) DO UPDATE SET succeeded = c.succeeded + excluded.succeeded,
            retried = c.retried + excluded.retried, dead = c.dead + excluded.dead`,
        values: [rows.map(([queue]) => queue), column('succeeded'), column('retried'), column('dead')],
      })
      .catch(() =>
        rows.forEach(([queue, counts]) =>
          Object.entries(counts).forEach(([what, n]) => this.add(queue, what as JobCount, n)),
        ),
      );
  }
}
