// A blob: bytes in the storage that files refer to, the same content once. Not an object of its own for the outside.
import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

@Entity('blobs')
@Unique('blobs_storage_key', ['storageKey'])
@Unique('blobs_content', ['scope', 'sha256'])
@Check('blobs_references', 'reference_count >= 0')
@Index('blobs_verified', { synchronize: false })
export class Blob {
  /** Snowflake. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'blobs_pkey' })
  id!: string;

  /** Finds the bytes. */
  @Column('uuid', { name: 'storage_key' })
  storageKey!: string;

  /** Of the key that they are encrypted with; null: in clear. */
  @Column('varchar', { name: 'key_id', length: 32, nullable: true })
  keyId!: string | null;

  /** Whose files may share it: the key of a user, or 0 for everybody's. */
  @Column('bigint')
  scope!: string;

  /** Of the bytes in clear, in hexadecimal. */
  @Column('char', { length: 64 })
  sha256!: string;

  /** Bytes, in clear. */
  @Column('bigint')
  size!: string;

  /** How many files refer to it, deleted ones that may come back included. */
  @Column('integer', { name: 'reference_count' })
  referenceCount!: number;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** When the bytes were last read and had their hash. */
  @Column({ type: 'timestamptz', name: 'verified_at', precision: 3, nullable: true })
  verifiedAt!: Date | null;

  /** When they were found to be lost or other than they were. */
  @Column({ type: 'timestamptz', name: 'damaged_at', precision: 3, nullable: true })
  damagedAt!: Date | null;

  /** The bytes were looked at, and are no image that is made smaller here. */
  @Column('boolean', { name: 'thumbnails_refused', default: false })
  thumbnailsRefused!: boolean;
}
