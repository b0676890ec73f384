// Signals of the progress of jobs, from the process that runs a job to those with clients. They may get lost.
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Events } from '../shared/events/events.js';
import { Signals } from '../shared/pubsub/signals.js';
import { JobProgress } from '../workers/jobs.events.js';

const TOPIC = 'job-progress';
/** Jobs of one signal: each takes at most 250 bytes. */
const MAX_JOBS = 25;
/** Only the latest progress of a job is sent in each interval. */
const INTERVAL_MS = 250;

/** `id`: of the job; `ownerId`: UUID of its owner. */
export interface Progress {
  id: string;
  type: string;
  progress: number;
  ownerId: string;
}

@Injectable()
export class JobProgressSignals implements OnModuleInit {
  private readonly waiting = new Map<string, Progress>();

  constructor(
    private readonly events: Events,
    private readonly signals: Signals,
  ) {}

  onModuleInit(): void {
    this.events.within(JobProgress, ({ jobId, ownerId, type, progress }) => {
      if (ownerId !== null) this.add({ id: jobId, type, progress, ownerId });
      return Promise.resolve();
    });
  }

  /** Calls `listener` for the progress of all jobs of users, in any process. */
  listen(listener: (progress: Progress) => void): void {
    this.signals.on(TOPIC, (body) => (JSON.parse(body) as Progress[]).forEach(listener));
  }

  private add(progress: Progress): void {
    if (this.waiting.size === 0) setTimeout(() => this.send(), INTERVAL_MS).unref();
    this.waiting.set(progress.id, progress);
  }

  private send(): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (let at = 0; at < all.length; at += MAX_JOBS)
      void this.signals.send(TOPIC, JSON.stringify(all.slice(at, at + MAX_JOBS))).catch(() => undefined);
  }
}
