// A signed link to a file: who has it may download that version of the file until it expires or is revoked.
import { Column, Entity, ForeignKey, Index } from 'typeorm';
import { BaseEntityCustom } from '../../shared/entities/base.entity.js';

/** `deletedAt`: when it was revoked. The token itself is nowhere: it is recomputed and compared. */
@Entity('file_links')
@Index('file_links_created', ['fileId', 'createdAt', 'id'])
export class FileLink extends BaseEntityCustom {
  @ForeignKey('FileEntity', 'id', { name: 'file_links_file' })
  @Column('bigint', { name: 'file_id' })
  fileId!: string;

  /** It stands for this version of the file only. */
  @Column('integer', { name: 'file_version' })
  fileVersion!: number;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt!: Date;
}
