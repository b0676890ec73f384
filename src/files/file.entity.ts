// Entity of a file, which belongs to one user. Its bytes are in the storage.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../shared/entities/base.entity.js';

/** Exact up to 2^53, more than the size of any file. */
const AS_NUMBER = { to: (value: number) => value, from: (value: string) => Number(value) };

@Entity('files')
@Index('files_created', ['ownerId', 'createdAt', 'id'], { where: 'deleted_at IS NULL' })
@Index('files_deleted', ['deletedAt'], { where: 'deleted_at IS NOT NULL AND blob_id IS NOT NULL' })
@Index('files_purged', ['id'], { where: 'deleted_at IS NOT NULL AND blob_id IS NULL' })
@Index('files_retained', { synchronize: false }) // owner_id, deleted_at, id of deleted files, with size and blob_id
export class FileEntity extends BaseEntityCustom {
  /** `users.id`, a foreign key in the migrations. No TypeORM relation: this module does not import the entities of `users`. */
  @ForeignKey('User', 'id', { name: 'files_owner' })
  @Column('bigint', { name: 'owner_id' })
  ownerId!: string;

  /** Copy of the owner's `users.uuid`: it never changes, and the copy saves a join in every answer. */
  @Column('uuid', { name: 'owner_uuid' })
  ownerUuid!: string;

  /** The name that the user chose. Never part of a path. */
  @Column('varchar', { length: 255 })
  name!: string;

  /** Media type detected in the bytes, otherwise the declared one. Downloads use only some of the types. */
  @Column('varchar', { name: 'mime_type', length: 100 })
  mimeType!: string;

  /** Encoding of text; null when the bytes are not text or the encoding is unknown. */
  @Column('varchar', { length: 10, nullable: true })
  charset!: string | null;

  /** Media type that the upload declared. */
  @Column('varchar', { name: 'declared_type', length: 100 })
  declaredType!: string;

  /** Bytes. */
  @Column('bigint', { transformer: AS_NUMBER })
  size!: number;

  /** SHA-256 of the bytes, in hexadecimal. */
  @Column('char', { length: 64 })
  sha256!: string;

  @Column('varchar', { length: 50, default: 'default' })
  bucket!: string;

  /** `blobs.id` of its bytes; null when a deleted file has released them. They stay while other files refer to them. */
  @Index('files_blob_id')
  @ForeignKey('Blob', 'id', { name: 'files_blob' })
  @Column('bigint', { name: 'blob_id', nullable: true })
  blobId!: string | null;
}
