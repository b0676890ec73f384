// Lists the jobs that have a schedule, and computes their next run.
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
 * Returns the first run after `after`; null when there is none. When the clock is put forward, runs in the skipped hour
 * are due once, right after it. When it is put back, a time that occurs twice is due at its first occurrence; only
 * schedules that repeat every few minutes or every hour run in both.
 */
export function nextRun({ cron, timeZone }: { cron: string; timeZone: string }, after: Date): Date | null {
  return new Cron(cron, { timezone: timeZone, paused: true }).nextRun(after);
}
