// A login on one device: the family of refresh tokens that follow each other.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';
import { User } from '../users/user.entity.js';

/** A revoked session is a deleted one. */
@Entity('sessions')
@Index('sessions_of_user', ['userId', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
export class Session extends BaseEntityCustom {
  /** `users.id`. */
  @ForeignKey(() => User, 'id', { name: 'sessions_user' })
  @Column('bigint', { name: 'user_id' })
  userId!: string;

  /** Part of each refresh token's mac: with it gone, no token of the family can be made. */
  @Column('varchar', { length: 43 })
  salt!: string;

  /** Which refresh token is the current one, counted from 1. */
  @Column('integer', { default: 1 })
  generation!: number;

  @Column({ type: 'timestamptz', name: 'rotated_at', precision: 3 })
  rotatedAt!: Date;

  /** No refresh extends a session beyond this. */
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt!: Date;

  @Column('varchar', { name: 'user_agent', length: 200, default: '' })
  userAgent!: string;

  @Column('inet', { nullable: true })
  ip!: string | null;

  /** Why it ended. */
  @Column('varchar', { name: 'ended_by', length: 20, nullable: true })
  endedBy!: EndReason | null;
}

/** `superseded`: by a login of a user who had as many sessions as may be. */
export type EndReason = 'logout' | 'logout-all' | 'revoked' | 'reuse' | 'locked-out' | 'superseded';
