// Entity of one job. The row is the source of truth; messages only announce that a job is due.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';
import type { JobResult } from './job.js';

export const JOB_STATUSES = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/**
 * The failure of one attempt. `message` is redacted like log lines. `isPublic`: the owner may read `message`. `worker`: id of
 * the dead worker; only reap.sql sets it, and the API does not return it.
 */
export interface JobFailure {
  attempt: number;
  at: string;
  code: string;
  message: string;
  isPublic: boolean;
  worker?: string;
}

/**
 * FAILED rows are the dead letters. The indexes of waiting rows are partial, so finished rows cost them nothing.
 * Lists are sorted by id, which grows with time.
 */
@Entity('jobs')
@Index('jobs_due', { synchronize: false }) // queue, priority, turn, id of waiting jobs
@Index('jobs_later', { synchronize: false }) // queue, run_at of waiting jobs that have no turn yet
@Index('jobs_suspect', { synchronize: false }) // queue, turn of waiting jobs that must run alone
@Index('jobs_line', { synchronize: false }) // owner_id, queue, priority, turn of waiting jobs
@Index('jobs_announce', { synchronize: false }) // announce_at of jobs that wait for their wake-up message
@Index('jobs_lease', ['leaseUntil'], { where: `status = 'RUNNING'` })
@Index('jobs_unique', { synchronize: false }) // type, unique_key of unfinished jobs
@Index('jobs_owner', ['ownerId', 'id'], { where: 'owner_id IS NOT NULL' })
@Index('jobs_dead', ['finishedAt', 'id'], { where: `status = 'FAILED'` })
@Index('jobs_dead_of_owner', ['ownerId'], {
  where: `owner_id IS NOT NULL AND status = 'FAILED' AND deleted_at IS NULL`,
})
@Index('jobs_retained', { synchronize: false }) // owner_id, finished_at, id of finished jobs
@Index('jobs_retained_of_system', { synchronize: false }) // type, finished_at, id of finished jobs without an owner
export class Job extends BaseEntityCustom {
  /** Name of the job definition. */
  @Column('varchar', { length: 100 })
  type!: string;

  @Column('varchar', { length: 100 })
  queue!: string;

  @Column('jsonb')
  payload!: Record<string, unknown>;

  @Column('enum', { enum: JOB_STATUSES, enumName: 'job_status', default: 'QUEUED' })
  status!: JobStatus;

  @Column('smallint', { default: 3 })
  priority!: number;

  /** The job is not claimed before this time. A retry waits until it, too. */
  @Column({ type: 'timestamptz', name: 'run_at', precision: 3, default: () => 'now()' })
  runAt!: Date;

  /** Position in the line of its queue, in which owners take turns (see enqueue.sql). Null before `run_at`. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  turn!: Date | null;

  /** When the job is announced to the broker next. Null without a broker. */
  @Column({ type: 'timestamptz', name: 'announce_at', precision: 3, nullable: true })
  announceAt!: Date | null;

  /** Number of claims, used as the fence: a write for an attempt that is not the latest one matches no row. */
  @Column('integer', { default: 0 })
  attempt!: number;

  /**
   * The job becomes a dead letter when the attempt with this number fails. When the worker dies during that attempt, another
   * attempt may follow (reap.sql). A release (release.sql) and a replay raise the number.
   */
  @Column('integer', { name: 'max_attempts' })
  maxAttempts!: number;

  /**
   * Number of workers that died while they ran this job, but at least 2 after a death during its last attempt. From 2 on the
   * job is a suspect and runs alone (claim-suspect.sql). A replay sets it to 0.
   */
  @Column('smallint', { default: 0 })
  crashes!: number;

  /**
   * True when claim-suspect.sql started the latest attempt: no other job ran in its process, so if the worker died, no other job was the cause. A handler
   * that ignores its abort may still have run there: it does not count as running after SETTLE_MS (attempt-runner.ts).
   */
  @Column('boolean', { default: false })
  alone!: boolean;

  /** Heartbeats extend the lease. The worker of a RUNNING row with an expired lease counts as dead. */
  @Column({ type: 'timestamptz', name: 'lease_until', precision: 3, nullable: true })
  leaseUntil!: Date | null;

  /** Id of the process that runs the job, or ran it last. */
  @Column('uuid', { nullable: true })
  worker!: string | null;

  @Column('varchar', { name: 'unique_key', length: 200, nullable: true })
  uniqueKey!: string | null;

  /** Percent, 0–100. */
  @Column('smallint', { default: 0 })
  progress!: number;

  @Column('jsonb', { nullable: true })
  result!: JobResult;

  /** Failures of the attempts, the latest 50. */
  @Column('jsonb', { default: [] })
  errors!: JobFailure[];

  /** Code of the failure that made the job a dead letter. */
  @Column('varchar', { length: 50, nullable: true })
  reason!: string | null;

  @Column({ type: 'timestamptz', name: 'finished_at', precision: 3, nullable: true })
  finishedAt!: Date | null;

  /** `users.id` of the user who requested the job. Null: a job of the system. */
  @ForeignKey('User', 'id', { name: 'jobs_owner_user' })
  @Column('bigint', { name: 'owner_id', nullable: true })
  ownerId!: string | null;

  @Column('uuid', { name: 'owner_uuid', nullable: true })
  ownerUuid!: string | null;

  /** Id of the request that enqueued the job. The log lines about the attempts contain it, too. */
  @Column('varchar', { name: 'request_id', length: 64, nullable: true })
  requestId!: string | null;
}
