// Error definitions of jobs: rejected requests, and failures of attempts.
import { defineErrors } from '../shared/libs/app-error.js';

export const JobErrors = defineErrors('JOB', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No job ${id}.`,
    cure: "Check the id. Someone else's job is not found either, and finished ones are deleted after a while.",
  },
  TYPE_UNKNOWN: {
    status: 400,
    level: 'debug',
    message: (type: string) => `There is no job of type ${type} that you may ask for.`,
    cure: 'The types stand in the description of POST /api/jobs.',
  },
  FINISHED: {
    status: 409,
    level: 'debug',
    message: (status: string) => `The job is ${status} already.`,
    cure: 'Only jobs that wait or run can be cancelled.',
  },
  UNFINISHED: {
    status: 409,
    level: 'info',
    message: (type: string, id: string) => `Your job ${id} does the same, and is not finished: one ${type} at a time.`,
    cure: 'Follow `Location` to that job, and ask again when it is finished, or cancel it first.',
  },
  QUOTA_EXCEEDED: {
    status: 409,
    level: 'info',
    message: (quota: number, deadPerWaiting: number) =>
      `You have ${quota} jobs waiting, or ${quota * deadPerWaiting} that have failed for good.`,
    cure: 'Wait until some are done, or cancel some: GET /api/jobs?status=QUEUED lists them. An administrator replays or discards those that have failed. The operator sets the limit with JOB_QUOTA.',
  },
  NOT_DEAD: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No dead letter ${id}.`,
    cure: 'Check the id: only failed jobs are dead letters, and an administrator may have replayed or discarded it.',
  },
  KEY_TAKEN: {
    status: 409,
    level: 'info',
    message: () => 'Another job with the same unique key waits or runs.',
    cure: 'That job does the same work: wait until it is done, then replay this one or discard it.',
  },
  PAYLOAD_INVALID: {
    status: 422,
    level: 'warn',
    message: (detail: string) => `The payload is not valid any more: ${detail}`,
    cure: 'The rules for payloads of this type have changed since it was enqueued: discard it, and enqueue a new one.',
  },
  TIMED_OUT: {
    status: 504,
    level: 'warn',
    message: (ms: number) => `Not done within ${ms} ms.`,
    cure: 'Replay it when less is going on, or give the job more time in its definition.',
  },
  OUT_OF_MEMORY: {
    status: 507,
    level: 'warn',
    message: () => 'It needs more memory than a job may have.',
    cure: 'Ask for less at once. The operator sets the limit with THREAD_MEMORY.',
  },
  WORKER_LOST: {
    status: 500,
    level: 'warn',
    message: () => 'The worker that ran it died or froze.',
    cure: 'When it happens to one job again and again, that job is the cause: look at its payload before replaying it.',
  },
  HANDLER_FAILED: {
    status: 500,
    level: 'warn',
    message: () => 'The job failed on our side.',
    cure: "Administrators see every attempt's error among the dead letters.",
  },
  OWNERLESS: {
    status: 422,
    level: 'warn',
    message: () => 'A job of this type works for a user, and this one has no owner.',
    cure: 'Ask for it through POST /api/jobs, or give it an owner where it is enqueued.',
  },
  OWNER_NOT_ALLOWED: {
    status: 403,
    level: 'info',
    message: (permission: string | null) =>
      permission === null
        ? 'The owner of the job has no account any more.'
        : `The owner of the job does not have the permission ${permission} any more.`,
    cure: 'Restore the account or its role and replay the job, or discard it. Nothing of it was done in this attempt.',
  },
  TYPE_UNHANDLED: {
    status: 501,
    level: 'warn',
    message: (type: string) => `No worker here knows jobs of type ${type}.`,
    cure: 'Start a worker of the version that enqueued it, then replay it; or discard it.',
  },
});
