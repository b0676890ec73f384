// Entity of a signed link: its holder may download one version of a file until the link expires or is revoked.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../../shared/entities/base.entity.js';

/** `deletedAt`: time of the revocation. The token is not stored: it is recomputed and compared. */
@Entity('file_links')
@Index('file_links_created', ['fileId', 'createdAt', 'id'])
@Index('file_links_of_owner', ['ownerId', 'expiresAt'], { where: 'deleted_at IS NULL' })
@Index('file_links_retained', ['ownerId', 'id'])
export class FileLink extends BaseEntityCustom {
  @ForeignKey('FileEntity', 'id', { name: 'file_links_file' })
  @Column('bigint', { name: 'file_id' })
  fileId!: string;

  /** `users.id` of the file's owner. Null only when the previous version of the server created the link. */
  @ForeignKey('User', 'id', { name: 'file_links_owner' })
  @Column('bigint', { name: 'owner_id', nullable: true })
  ownerId!: string | null;

  /** The link is valid for this version of the file only. */
  @Column('integer', { name: 'file_version' })
  fileVersion!: number;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt!: Date;
}
