// The events of jobs and schedules.
import { defineAuditedEvent, defineEvent } from '../shared/events/event.js';

interface AboutJob {
  jobId: string;
  /** Null: the job has no owner. */
  ownerId: string | null;
  type: string;
}

/** Progress of a running job, 0-100. */
export const JobProgress = defineEvent<AboutJob & { progress: number }>('job.progress');
/** A job has ended. */
export const JobDone = defineEvent<AboutJob & { status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' }>('job.done');

/** An administrator replayed or discarded dead letters. */
export const JobsReplayed = defineAuditedEvent<{ actorId: string; jobIds: string[] }>('job.replayed');
export const JobsDiscarded = defineAuditedEvent<{ actorId: string; jobIds: string[] }>('job.discarded');
/** An administrator started a schedule's job. */
export const ScheduleRun = defineAuditedEvent<{ actorId: string; schedule: string; jobId: string }>('schedule.run');
