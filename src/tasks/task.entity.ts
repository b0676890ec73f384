// Entity of a task, which belongs to one user.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

export const TASK_STATUSES = ['TODO', 'IN_PROGRESS', 'DONE'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/**
 * One index per order of a list, with and without a status, so that each page starts where the previous page ended. The
 * indexes by due time use an expression and are in the migration.
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
@Index('tasks_purge', ['id'], { where: 'deleted_at IS NOT NULL' })
@Index('tasks_retained', ['ownerId', 'deletedAt', 'id'], { where: 'deleted_at IS NOT NULL' })
@Index('tasks_deleted', ['createdAt', 'id'], { where: 'deleted_at IS NOT NULL' })
export class Task extends BaseEntityCustom {
  /** `users.id`, a foreign key in the migrations. No TypeORM relation: this module does not import the entities of `users`. */
  @ForeignKey('User', 'id', { name: 'tasks_owner' })
  @Column('bigint', { name: 'owner_id' })
  ownerId!: string;

  /** Copy of the owner's `users.uuid`: it never changes, and the copy saves a join in every answer. */
  @Column('uuid', { name: 'owner_uuid' })
  ownerUuid!: string;

  @Column('varchar', { length: 200 })
  title!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('enum', { enum: TASK_STATUSES, enumName: 'task_status', default: 'TODO' })
  status!: TaskStatus;

  /** 1 (least urgent) to 5 (most urgent). */
  @Column('smallint', { default: 3 })
  priority!: number;

  @Column({ type: 'timestamptz', name: 'due_at', precision: 3, nullable: true })
  dueAt!: Date | null;
}
