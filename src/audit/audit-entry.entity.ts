// Entity of an audit entry: who did what. Written in the transaction of the action, and never changed.
import { Column, Entity, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

@Entity('audit_log')
@Index('audit_log_created', ['createdAt', 'id'])
export class AuditEntry extends BaseEntityCustom {
  /** `users.uuid` of the actor. */
  @Column('uuid', { name: 'actor_uuid' })
  actorUuid!: string;

  /** Name of the event, like `cache.cleared`. */
  @Column('varchar', { length: 50 })
  action!: string;

  /** Payload of the event. */
  @Column('jsonb')
  details!: Record<string, unknown>;

  /** Id of the request; its log lines contain the same id. */
  @Column('varchar', { name: 'request_id', length: 64, nullable: true })
  requestId!: string | null;
}
