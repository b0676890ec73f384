// A bucket: a container for files with its own limits, allowed types and visibility.
import { Column, Entity, Index } from 'typeorm';
import { BaseEntityCustom } from '../../shared/entities/base.entity.js';

export const VISIBILITIES = ['private', 'public'] as const;
/** `private`: only the owner may read the content. `public`: anybody who knows the file's id may download it. */
export type Visibility = (typeof VISIBILITIES)[number];

export const DEFAULT_BUCKET = 'default';

const SVG = 'image/svg+xml';

/** Exact up to 2^53, far more than any storage. */
const AS_NUMBER = { to: (value: number | null) => value, from: (value: string | null) => value && Number(value) };

@Entity('buckets')
@Index('buckets_name_key', ['name'], { unique: true, where: 'deleted_at IS NULL' })
export class Bucket extends BaseEntityCustom {
  /** Never changes, because files refer to it. */
  @Column('varchar', { length: 50 })
  name!: string;

  @Column('varchar', { length: 10, default: 'private' })
  visibility!: Visibility;

  /** Maximum bytes of a file; null: FILE_MAX_SIZE. */
  @Column('bigint', { name: 'max_file_size', nullable: true, transformer: AS_NUMBER })
  maxFileSize!: number | null;

  /** Maximum bytes of one user in this bucket; null: only FILE_QUOTA applies. */
  @Column('bigint', { name: 'user_quota', nullable: true, transformer: AS_NUMBER })
  userQuota!: number | null;

  /** For example `image/png` or `image/*`; empty: all types. */
  @Column('text', { name: 'allowed_types', array: true, default: '{}' })
  allowedTypes!: string[];
}

/** True when the bucket accepts the type. An SVG is a page that may run scripts, so `image/*` does not include it. */
export function allowsType({ allowedTypes }: Bucket, mediaType: string): boolean {
  const isOneOf = (allowed: string): boolean =>
    allowed.endsWith('/*') ? mediaType.startsWith(allowed.slice(0, -1)) && mediaType !== SVG : mediaType === allowed;
  return allowedTypes.length === 0 || allowedTypes.some(isOneOf);
}
