// What every row has: a snowflake key that stays inside, a UUID for the outside, times, soft delete, version.
import {
  BaseEntity,
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Index,
  PrimaryColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm';

/**
 * Base of all entities. `version` alone does not stop a lost update: TypeORM's `save()` puts no version into its WHERE.
 * Rows are changed through BaseRepository.change, one conditional UPDATE.
 */
export abstract class BaseEntityCustom extends BaseEntity {
  /** Snowflake, 64 bit: a string here (beyond 2^53), bigint in SQL. Never leaves the server. */
  @PrimaryColumn('bigint')
  id!: string;

  /** UUID v7 (RFC 9562), the only id the outside sees. */
  @Index({ unique: true })
  @Column('uuid')
  uuid!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz', precision: 3, nullable: true })
  deletedAt!: Date | null;

  /** Starts at 1, grows by 1 with every change; the ETag of the resource. */
  @VersionColumn({ type: 'integer', default: 1 })
  version!: number;
}
