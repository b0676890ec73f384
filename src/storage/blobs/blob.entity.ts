// A blob: stored bytes that files refer to, each content stored once. Not visible in the API.
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

  /** Identifies the bytes in the storage. */
  @Column('uuid', { name: 'storage_key' })
  storageKey!: string;

  /** Id of the encryption key; null: not encrypted. */
  @Column('varchar', { name: 'key_id', length: 32, nullable: true })
  keyId!: string | null;

  /** The files that may share it: those of the user with this key, or of all users for 0. */
  @Column('bigint')
  scope!: string;

  /** Hash of the plain bytes, in hexadecimal. */
  @Column('char', { length: 64 })
  sha256!: string;

  /** Size of the plain bytes. */
  @Column('bigint')
  size!: string;

  /** Number of files that refer to it, including deleted files that can still be restored. */
  @Column('integer', { name: 'reference_count' })
  referenceCount!: number;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** When the bytes were last read and matched their hash. */
  @Column({ type: 'timestamptz', name: 'verified_at', precision: 3, nullable: true })
  verifiedAt!: Date | null;

  /** When the bytes were found to be missing or changed. */
  @Column({ type: 'timestamptz', name: 'damaged_at', precision: 3, nullable: true })
  damagedAt!: Date | null;

  /** The bytes were examined and are no image that can have thumbnails. */
  @Column('boolean', { name: 'thumbnails_refused', default: false })
  thumbnailsRefused!: boolean;
}
