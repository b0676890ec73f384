// A bucket: where files belong, with limits, allowed types and visibility of its own.
import { Column, Entity, Index } from 'typeorm';
import { BaseEntityCustom } from '../../shared/entities/base.entity.js';

export const VISIBILITIES = ['private', 'public'] as const;
/** `private`: the content is its owner's. `public`: anybody may download it who knows the file's id. */
export type Visibility = (typeof VISIBILITIES)[number];

export const DEFAULT_BUCKET = 'default';

const SVG = 'image/svg+xml';

/** Exact up to 2^53, far beyond any storage. */
const AS_NUMBER = { to: (value: number | null) => value, from: (value: string | null) => value && Number(value) };

@Entity('buckets')
@Index('buckets_name_key', ['name'], { unique: true, where: 'deleted_at IS NULL' })
export class Bucket extends BaseEntityCustom {
  /** Never changes: files name it. */
  @Column('varchar', { length: 50 })
  name!: string;

  @Column('varchar', { length: 10, default: 'private' })
  visibility!: Visibility;

  /** Bytes; null: FILE_MAX_SIZE. */
  @Column('bigint', { name: 'max_file_size', nullable: true, transformer: AS_NUMBER })
  maxFileSize!: number | null;

  /** Bytes that one user may have in it; null: no limit but FILE_QUOTA. */
  @Column('bigint', { name: 'user_quota', nullable: true, transformer: AS_NUMBER })
  userQuota!: number | null;

  /** Like `image/png` or `image/*`; empty: all. */
  @Column('text', { name: 'allowed_types', array: true, default: '{}' })
  allowedTypes!: string[];
}

/** An SVG is a page that may run, not a picture: `image/*` does not mean it. */
export function allowsType({ allowedTypes }: Bucket, mediaType: string): boolean {
  const isOneOf = (allowed: string): boolean =>
    allowed.endsWith('/*') ? mediaType.startsWith(allowed.slice(0, -1)) && mediaType !== SVG : mediaType === allowed;
  return allowedTypes.length === 0 || allowedTypes.some(isOneOf);
}
