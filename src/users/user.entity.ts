// An account: whoever can log in, or is kept by an administrator.
import { Column, Entity, Index } from 'typeorm';
import { ROLES, type Role } from '../common/access/permissions.js';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

@Entity('users')
@Index('users_email_key', ['email'], { unique: true, where: 'deleted_at IS NULL' })
@Index('users_username_key', { synchronize: false })
@Index('users_created', ['createdAt', 'id'])
@Index('users_updated', ['updatedAt', 'id'])
export class User extends BaseEntityCustom {
  /** Lower-case. Unique among the living. */
  @Column('varchar', { length: 254, nullable: true })
  email!: string | null;

  /** Null: nobody can log in as it. */
  @Column('varchar', { name: 'password_hash', length: 255, nullable: true })
  passwordHash!: string | null;

  /** Which password it is, counted from 1: cookies of known devices name it, and end with it. */
  @Column('integer', { name: 'password_generation', default: 1 })
  passwordGeneration!: number;

  /** How often an unknown device has logged in. */
  @Column('integer', { name: 'device_count', default: 0 })
  deviceCount!: number;

  @Column('varchar', { length: 100, nullable: true })
  name!: string | null;

  /** Unique among the living, whatever its case (index `users_username_key` on lower(username)). */
  @Column('varchar', { length: 50, nullable: true })
  username!: string | null;

  @Column('smallint', { nullable: true })
  age!: number | null;

  @Column('text', { array: true, default: '{}' })
  hobbies!: string[];

  @Column('enum', { enum: ROLES, enumName: 'user_role', default: 'USER' })
  role!: Role;
}
