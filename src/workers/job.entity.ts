// One job: the row is the truth about it, whatever carries the news that it is due.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';
import type { JobResult } from './job.js';

export const JOB_STATUSES = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** How an attempt failed. `message` has been through the redaction of logs; `isPublic`: the owner may read it. */
export interface JobFailure {
  attempt: number;
  at: string;
  code: string;
  message: string;
  isPublic: boolean;
}

/** FAILED rows are the dead letters. The indexes of waiting rows are partial: finished ones cost them nothing. Lists go by id, which grows with time. */
@Entity('jobs')
@Index('jobs_due', { synchronize: false }) // queue, priority, turn, id of those that wait
@Index('jobs_later', { synchronize: false }) // queue, run_at of those that wait and have no turn yet
@Index('jobs_line', { synchronize: false }) // owner_id, queue, priority, turn of those that wait
@Index('jobs_announce', { synchronize: false }) // announce_at of those that wait for a broker's wake-up
@Index('jobs_lease', ['leaseUntil'], { where: `status = 'RUNNING'` })
@Index('jobs_unique', { synchronize: false }) // type, unique_key of those that are not finished
@Index('jobs_owner', ['ownerId', 'id'], { where: 'owner_id IS NOT NULL' })
@Index('jobs_dead', ['finishedAt', 'id'], { where: `status = 'FAILED'` })
export class Job extends BaseEntityCustom {
  /** Name of the definition. */
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

  /** Not claimed before; a retry waits here. */
  @Column({ type: 'timestamptz', name: 'run_at', precision: 3, default: () => 'now()' })
  runAt!: Date;

  /** Its place in the line of its queue, in which owners take turns (enqueue.sql); null before `run_at`. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  turn!: Date | null;

  /** When a broker is (next) told of it; null where there is no broker. */
  @Column({ type: 'timestamptz', name: 'announce_at', precision: 3, nullable: true })
  announceAt!: Date | null;

  /** Counts claims, and is the fence: whoever writes for an attempt that is not the last one finds no row. */
  @Column('integer', { default: 0 })
  attempt!: number;

  @Column('integer', { name: 'max_attempts' })
  maxAttempts!: number;

  /** How many workers died while they ran it. */
  @Column('smallint', { default: 0 })
  crashes!: number;

  /** This attempt has its process for itself: if the process dies, this job killed it. */
  @Column('boolean', { default: false })
  alone!: boolean;

  /** Signs of life push it on; a running row past it belongs to a dead worker. */
  @Column({ type: 'timestamptz', name: 'lease_until', precision: 3, nullable: true })
  leaseUntil!: Date | null;

  /** The process that runs it, or ran it last. */
  @Column('uuid', { nullable: true })
  worker!: string | null;

  @Column('varchar', { name: 'unique_key', length: 200, nullable: true })
  uniqueKey!: string | null;

  /** 0–100. */
  @Column('smallint', { default: 0 })
  progress!: number;

  @Column('jsonb', { nullable: true })
  result!: JobResult;

  /** Of every failed attempt, the last 50. */
  @Column('jsonb', { default: [] })
  errors!: JobFailure[];

  /** Code of the failure that made it a dead letter. */
  @Column('varchar', { length: 50, nullable: true })
  reason!: string | null;

  @Column({ type: 'timestamptz', name: 'finished_at', precision: 3, nullable: true })
  finishedAt!: Date | null;

  /** `users.id` of whoever asked for it; null: the house itself. */
  @ForeignKey('User', 'id', { name: 'jobs_owner_user' })
  @Column('bigint', { name: 'owner_id', nullable: true })
  ownerId!: string | null;

  @Column('uuid', { name: 'owner_uuid', nullable: true })
  ownerUuid!: string | null;

  /** Of the request that enqueued it: the handler's log lines have it, too. */
  @Column('varchar', { name: 'request_id', length: 64, nullable: true })
  requestId!: string | null;
}
