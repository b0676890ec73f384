// Entity of an audit entry: who did what. Recorded in the transaction of the action, written by the sequencer, never changed.
import { Column, Entity, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

@Entity('audit_log')
@Index('audit_log_created', ['createdAt', 'id'])
@Index('audit_log_action', ['action', 'createdAt', 'id'])
@Index('audit_log_actor', ['actorUuid', 'createdAt', 'id'])
@Index('audit_log_subject', ['subjectUuid', 'createdAt', 'id'])
export class AuditEntry extends BaseEntityCustom {
  /** Place in the audit log, from 1 and without holes. */
  @Index('audit_log_position', { unique: true })
  @Column('bigint')
  position!: string;

  /** `users.uuid` of the actor; null: the system, a command, or a client that has not logged in. */
  @Column('uuid', { name: 'actor_uuid', nullable: true })
  actorUuid!: string | null;

  /** UUID of the object that was changed or read. */
  @Column('uuid', { name: 'subject_uuid', nullable: true })
  subjectUuid!: string | null;

  /** Address of the client; null for a job or a command. */
  @Column('varchar', { length: 45, nullable: true })
  address!: string | null;

  /** Name of the event, like `cache.cleared`. */
  @Column('varchar', { length: 50 })
  action!: string;

  /** Data of the event: of a changed row, `after` and the earlier values of what changed, `before`. */
  @Column('jsonb')
  details!: Record<string, unknown>;

  /** Id of the request; its log lines contain the same id. */
  @Column('varchar', { name: 'request_id', length: 64, nullable: true })
  requestId!: string | null;
}
