// A signed link to a file: who has it may download that version of the file until it expires or is revoked.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../../shared/entities/base.entity.js';

/** `deletedAt`: when it was revoked. The token itself is nowhere: it is recomputed and compared. */
@Entity('file_links')
@Index('file_links_created', ['fileId', 'createdAt', 'id'])
@Index('file_links_of_owner', ['ownerId', 'expiresAt'], { where: 'deleted_at IS NULL' })
export class FileLink extends BaseEntityCustom {
  @ForeignKey('FileEntity', 'id', { name: 'file_links_file' })
  @Column('bigint', { name: 'file_id' })
  fileId!: string;

  /** `users.id` of the file's owner. Null only where a server of the version before made it. */
  @ForeignKey('User', 'id', { name: 'file_links_owner' })
  @Column('bigint', { name: 'owner_id', nullable: true })
  ownerId!: string | null;

  /** It stands for this version of the file only. */
  @Column('integer', { name: 'file_version' })
  fileVersion!: number;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt!: Date;
}
