// One line of the audit log: who did what to what. Written in the transaction of the deed, never changed.
import { Column, Entity, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

@Entity('audit_log')
@Index('audit_log_created', ['createdAt', 'id'])
export class AuditEntry extends BaseEntityCustom {
  /** `users.uuid` of whoever did it. */
  @Column('uuid', { name: 'actor_uuid' })
  actorUuid!: string;

  /** Name of the event, like `cache.cleared`. */
  @Column('varchar', { length: 50 })
  action!: string;

  /** What the event told. */
  @Column('jsonb')
  details!: Record<string, unknown>;

  /** Of the request, which finds its log lines. */
  @Column('varchar', { name: 'request_id', length: 64, nullable: true })
  requestId!: string | null;
}
