// A file, which belongs to one user: what is known of it. Its bytes stand in the storage.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

/** Exact up to 2^53, far beyond any file. */
const AS_NUMBER = { to: (value: number) => value, from: (value: string) => Number(value) };

@Entity('files')
@Index('files_created', ['ownerId', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('files_deleted', ['deletedAt'], { where: 'deleted_at IS NOT NULL AND blob_id IS NOT NULL' })
export class FileEntity extends BaseEntityCustom {
  /** `users.id`, by the table's name: rooms do not import each other. */
  @ForeignKey('User', 'id', { name: 'files_owner' })
  @Column('bigint', { name: 'owner_id' })
  ownerId!: string;

  /** `users.uuid` of the owner, copied: it never changes, and spares every answer a join. */
  @Column('uuid', { name: 'owner_uuid' })
  ownerUuid!: string;

  /** As people named it; never part of a path. */
  @Column('varchar', { length: 255 })
  name!: string;

  /** As the bytes show; where they show nothing, as the upload said. A download names only some of them. */
  @Column('varchar', { name: 'mime_type', length: 100 })
  mimeType!: string;

  /** Of bytes that read as text; null: they do not, or their encoding cannot be known. */
  @Column('varchar', { length: 10, nullable: true })
  charset!: string | null;

  /** As the upload said. */
  @Column('varchar', { name: 'declared_type', length: 100 })
  declaredType!: string;

  /** Bytes. */
  @Column('bigint', { transformer: AS_NUMBER })
  size!: number;

  /** Of the bytes, in hexadecimal. */
  @Column('char', { length: 64 })
  sha256!: string;

  @Column('varchar', { length: 50, default: 'default' })
  bucket!: string;

  /** `blobs.id` of its bytes; null once a deleted file has let them go. */
  @Index('files_blob_id')
  @ForeignKey('Blob', 'id', { name: 'files_blob' })
  @Column('bigint', { name: 'blob_id', nullable: true })
  blobId!: string | null;
}
