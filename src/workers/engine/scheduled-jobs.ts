// Jobs that run by the clock, and when each is due next.
import { Cron } from 'croner';
import { type JobDefinition, jobDefinitions, type Schedule } from '../job.js';

export type ScheduledJob = JobDefinition & { readonly schedule: Schedule<object> };

export function scheduledJobs(): ScheduledJob[] {
  return [...jobDefinitions().values()].filter((job): job is ScheduledJob => job.schedule !== undefined);
}

export function findScheduledJob(name: string): ScheduledJob | undefined {
  return scheduledJobs().find((job) => job.name === name);
}

/**
 * The first time after `after`; null: never again. Where the clock is put forward, what falls into the hour that is left
 * out is due once, right after it. Where it is put back, a time that is there twice is due at the first of the two; only
 * what runs every so many minutes, or every hour, runs on through both.
 */
export function nextRun({ cron, timeZone }: { cron: string; timeZone: string }, after: Date): Date | null {
  return new Cron(cron, { timezone: timeZone, paused: true }).nextRun(after);
}
