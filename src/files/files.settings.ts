// Settings of files, links, uploads and thumbnails.
import { defineSettings } from '../shared/config/settings.js';
import { integer, seconds } from '../shared/config/variables.js';
import { StorageSettings } from '../storage/storage.settings.js';

export const FileSettings = defineSettings(
  'Files',
  {
    retentionDays: integer('FILE_RETENTION', {
      min: 0,
      max: 3_650,
      default: 0,
      doc: 'Days for which the bytes of a deleted file are kept, so that administrators may restore it',
    }),
    retentionCount: integer('FILE_RETENTION_COUNT', {
      min: 1,
      doc: 'Maximum deleted files of one user whose rows are kept; the oldest are removed first. Default: FILE_QUOTA_COUNT',
    }),
    retentionBytes: integer('FILE_RETENTION_BYTES', {
      min: 0,
      doc: 'Maximum bytes of the deleted files of one user that are kept for FILE_RETENTION; the oldest are removed first. Default: FILE_QUOTA',
    }),
    /** Milliseconds. */
    uploadTtl: seconds('UPLOAD_EXPIRY', {
      min: 60,
      max: 2_592_000,
      default: 86_400,
      doc: 'A resumable upload that is not complete after this time is removed, seconds',
    }),
    uploadRetentionCount: integer('UPLOAD_RETENTION_COUNT', {
      min: 1,
      default: 1_000,
      doc: 'Maximum complete resumable uploads of one user that are known until UPLOAD_EXPIRY; the oldest are forgotten first',
    }),
    thumbnailPixels: integer('THUMBNAIL_MAX_PIXELS', {
      min: 1,
      max: 268_402_689,
      default: 200_000_000,
      doc: 'Images with more pixels get no thumbnails. In several passes, and as TIFF, they may have half of it, as WebP and GIF 5/8, as AVIF a quarter; the decoder may take 5 bytes for each, and 450 MB',
    }),
    linkQuota: integer('LINK_QUOTA', {
      min: 1,
      default: 1_000,
      doc: 'Maximum file links of one user that are neither expired nor revoked',
    }),
    linkRetentionDays: integer('LINK_RETENTION', {
      min: 1,
      max: 3_650,
      default: 30,
      doc: 'Days until expired or revoked file links are deleted',
    }),
    linkRetentionCount: integer('LINK_RETENTION_COUNT', {
      min: 1,
      doc: 'Maximum invalid file links of one user that are kept beside LINK_QUOTA; the oldest are deleted first. Default: LINK_QUOTA',
    }),
  },
  {
    derive(values, get) {
      const { quota } = get(StorageSettings);
      const {
        retentionCount = quota.files,
        retentionBytes = quota.bytes,
        linkRetentionCount = values.linkQuota,
      } = values;
      return { ...values, quota, retentionCount, retentionBytes, linkRetentionCount };
    },
  },
);
export type FileSettings = InstanceType<typeof FileSettings>;
