// The columns of every table: an internal snowflake key, a public UUID, times, soft delete, version.
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
 * Base of all entities. `version` alone does not prevent a lost update: TypeORM's `save()` puts no version into its WHERE.
 * BaseRepository.change updates rows with one conditional UPDATE.
 */
export abstract class BaseEntityCustom extends BaseEntity {
  /** 64-bit snowflake: a string here (beyond 2^53), bigint in SQL. Never leaves the server. */
  @PrimaryColumn('bigint')
  id!: string;

  /** UUID v7 (RFC 9562), the only id that clients see. */
  @Index({ unique: true })
  @Column('uuid')
  uuid!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz', precision: 3, nullable: true })
  deletedAt!: Date | null;

  /** Starts at 1 and grows by 1 with every change; the ETag of the resource. */
  @VersionColumn({ type: 'integer', default: 1 })
  version!: number;
}
