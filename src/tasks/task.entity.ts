// Something to do, which belongs to one user.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

export const TASK_STATUSES = ['TODO', 'IN_PROGRESS', 'DONE'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/**
 * One index for each order of a list, with and without a status, so that a page starts where the page before it ended.
 * Those by due time are on an expression, in the migration.
 */
@Entity('tasks')
@Index('tasks_created', ['ownerId', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_updated', ['ownerId', 'updatedAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_priority', ['ownerId', 'priority', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_status_created', ['ownerId', 'status', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_status_updated', ['ownerId', 'status', 'updatedAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_status_priority', ['ownerId', 'status', 'priority', 'id'], { where: 'deleted_at IS NULL' })
@Index('tasks_due', { synchronize: false })
@Index('tasks_status_due', { synchronize: false })
@Index('tasks_text', { synchronize: false }) // trigrams, where PostgreSQL has them
@Index('tasks_purge', ['id'], { where: 'deleted_at IS NOT NULL' })
@Index('tasks_deleted', ['createdAt', 'id'], { where: 'deleted_at IS NOT NULL' })
export class Task extends BaseEntityCustom {
  /** `users.id`, by the table's name: rooms do not import each other. */
  @ForeignKey('User', 'id', { name: 'tasks_owner' })
  @Column('bigint', { name: 'owner_id' })
  ownerId!: string;

  /** `users.uuid` of the owner, copied: it never changes, and spares every answer a join. */
  @Column('uuid', { name: 'owner_uuid' })
  ownerUuid!: string;

  @Column('varchar', { length: 200 })
  title!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('enum', { enum: TASK_STATUSES, enumName: 'task_status', default: 'TODO' })
  status!: TaskStatus;

  /** 1 (least) to 5 (most urgent). */
  @Column('smallint', { default: 3 })
  priority!: number;

  @Column({ type: 'timestamptz', name: 'due_at', precision: 3, nullable: true })
  dueAt!: Date | null;
}
