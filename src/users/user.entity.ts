// Entity of an account: a user who can log in, or a record that administrators maintain.
import { Column, Entity, Index } from 'typeorm';
import { ROLES, type Role } from '../common/access/permissions.js';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

@Entity('users')
@Index('users_email_key', ['email'], { unique: true, where: 'deleted_at IS NULL' })
@Index('users_username_key', { synchronize: false })
@Index('users_created', ['createdAt', 'id'])
@Index('users_updated', ['updatedAt', 'id'])
export class User extends BaseEntityCustom {
  /** Lower case. Unique among accounts that are not deleted. */
  @Column('varchar', { length: 254, nullable: true })
  email!: string | null;

  /** Null: no login is possible. */
  @Column('varchar', { name: 'password_hash', length: 255, nullable: true })
  passwordHash!: string | null;

  /** Number of the current password, from 1. Cookies of known devices contain it, and become invalid when it changes. */
  @Column('integer', { name: 'password_generation', default: 1 })
  passwordGeneration!: number;

  /** Number of logins on unknown devices. */
  @Column('integer', { name: 'device_count', default: 0 })
  deviceCount!: number;

  @Column('varchar', { length: 100, nullable: true })
  name!: string | null;

  /** Unique among accounts that are not deleted, ignoring case (index `users_username_key` on lower(username)). */
  @Column('varchar', { length: 50, nullable: true })
  username!: string | null;

  @Column('smallint', { nullable: true })
  age!: number | null;

  @Column('text', { array: true, default: '{}' })
  hobbies!: string[];

  @Column('enum', { enum: ROLES, enumName: 'user_role', default: 'USER' })
  role!: Role;
}
