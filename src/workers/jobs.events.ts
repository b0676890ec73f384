// The events of jobs and schedules.
import { defineEvent } from '../shared/events/event.js';

interface JobEventData {
  jobId: string;
  type: string;
}

/** A user has requested a job. */
export const JobRequested = defineEvent<JobEventData>('job.requested', { published: true });
/** The same, of a type that needs a permission. */
export const PrivilegedJobRequested = defineEvent<JobEventData>('job.requested-with-permission', {
  published: true,
  audited: true,
});
/** A job has ended. Recorded by the statements that end jobs: finish.sql, fail.sql, reap.sql, cancel.sql. */
export const JobDone = defineEvent<JobEventData & { status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' }>('job.done', {
  published: true,
});
/** Progress of a running job, 0-100. Not kept: the job itself shows its last progress. */
export const JobProgress = defineEvent<JobEventData & { ownerId: string | null; progress: number }>('job.progress');
/** An administrator has cancelled the job of another user. */
export const JobCancelled = defineEvent<JobEventData>('job.cancelled', { audited: true });

/** An administrator replayed or discarded dead letters. */
export const JobsReplayed = defineEvent<{ jobIds: string[] }>('job.replayed', { audited: true });
export const JobsDiscarded = defineEvent<{ jobIds: string[] }>('job.discarded', { audited: true });
/** An administrator started a schedule's job. */
export const ScheduleRun = defineEvent<{ schedule: string; jobId: string }>('schedule.run', { audited: true });
