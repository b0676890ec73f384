// Entity of a session: a login on one device, with a chain of refresh tokens.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';
import { User } from '../users/user.entity.js';

/** A revoked session is a deleted row. */
@Entity('sessions')
@Index('sessions_of_user', ['userId', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('sessions_retained', ['userId', 'deletedAt', 'id'], { where: 'deleted_at IS NOT NULL' })
export class Session extends BaseEntityCustom {
  /** `users.id`. */
  @ForeignKey(() => User, 'id', { name: 'sessions_user' })
  @Column('bigint', { name: 'user_id' })
  userId!: string;

  /** Part of the MAC of each refresh token: without it, no token of the session can be created. */
  @Column('varchar', { length: 43 })
  salt!: string;

  /** Number of the current refresh token, counted from 1. */
  @Column('integer', { default: 1 })
  generation!: number;

  @Column({ type: 'timestamptz', name: 'rotated_at', precision: 3 })
  rotatedAt!: Date;

  /** A refresh never extends a session beyond this time. */
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt!: Date;

  @Column('varchar', { name: 'user_agent', length: 200, default: '' })
  userAgent!: string;

  @Column('inet', { nullable: true })
  ip!: string | null;

  /** Reason of the end. */
  @Column('varchar', { name: 'ended_by', length: 20, nullable: true })
  endedBy!: EndReason | null;
}

/** `superseded`: ended by a login of the same user, who had reached the limit of sessions. */
export type EndReason = 'logout' | 'logout-all' | 'revoked' | 'reuse' | 'locked-out' | 'superseded';
