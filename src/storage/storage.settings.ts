// Settings of the storage of files' bytes.
import { together } from '../shared/config/rules.js';
import { defineSettings } from '../shared/config/settings.js';
import { choice, flag, integer, itemsOf, list, text, url } from '../shared/config/variables.js';

export const StorageSettings = defineSettings(
  'File storage',
  {
    /** Maximum size of one file. */
    maxBytes: integer('FILE_MAX_SIZE', {
      min: 1,
      default: 5_368_709_120,
      doc: 'Largest file that may be uploaded, bytes (5 GiB); a bucket may have a smaller limit',
    }),
    /** Maximum of one user. */
    quota: {
      bytes: integer('FILE_QUOTA', {
        min: 0,
        default: 10_737_418_240,
        doc: 'Maximum bytes of all files of one user (10 GiB)',
      }),
      files: integer('FILE_QUOTA_COUNT', { min: 0, default: 100_000, doc: 'Maximum files of one user' }),
    },
    deduplication: choice('FILE_DEDUPLICATION', ['owner', 'deployment'], {
      default: 'owner',
      doc: 'The files among which equal content is stored once: those of one owner, or of the whole deployment',
    }),
    /** Milliseconds. */
    lease: integer('FILE_LEASE', {
      min: 1_000,
      max: 3_600_000,
      default: 60_000,
      doc: 'A process that does not renew the lease of an upload for this time counts as dead, milliseconds',
    }),
    encryptionKeys: list('FILE_ENCRYPTION_KEYS', {
      accepts: isEncryptionKey,
      each: '<id>:<32 bytes in base64>',
      checks: [{ accepts: haveOwnIds, rule: 'must give each key an id of its own' }],
      doc: 'Keys that encrypt files at rest, comma-separated, each <id>:<32 bytes in base64>: the first for new files, all for reading. Without keys files are not encrypted',
    }),
    kind: choice('FILE_STORAGE', ['local', 's3'], {
      default: 'local',
      doc: 'Storage of the bytes of files: local (under DATA_DIR) or s3',
    }),
    s3: {
      endpoint: url('S3_ENDPOINT', {
        schemes: ['http', 'https'],
        doc: 'URL of an S3-compatible service. Default: Amazon S3 in S3_REGION',
      }),
      region: text('S3_REGION', { default: 'us-east-1', doc: 'Region of the service' }),
      bucket: text('S3_BUCKET', {
        requiredIf: { variable: 'FILE_STORAGE', is: 's3' },
        doc: 'Bucket for the bytes of files; it must exist',
      }),
      prefix: text('S3_PREFIX', {
        default: 'holdfast',
        checks: [
          {
            accepts: (prefix) => /^[\w.-]+(\/[\w.-]+)*$/.test(prefix),
            rule: 'must be of A-Z a-z 0-9 _ . - with / between',
          },
        ],
        doc: 'First part of every key in the bucket, so that deployments may share a bucket',
      }),
      accessKeyId: text('S3_ACCESS_KEY_ID', {
        doc: 'Access key. Default: what the AWS SDK finds (profile, instance, …)',
      }),
      secretAccessKey: text('S3_SECRET_ACCESS_KEY', { doc: 'Secret of that access key' }),
      pathStyle: flag('S3_PATH_STYLE', {
        default: true,
        doc: 'Puts the bucket into the path of the URL, as most services except Amazon require',
      }),
      redirect: flag('S3_REDIRECT', {
        default: false,
        doc: 'Answers downloads of files that are not encrypted with a redirect to a URL signed by S3',
      }),
    },
  },
  {
    rules: [together('S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY')],
    derive: ({ kind, s3, ...values }) => ({
      ...values,
      /** The first key encrypts new files. `key`: base64. */
      encryptionKeys: values.encryptionKeys.map((item) => {
        const [id = '', key = ''] = item.split(':');
        return { id, key };
      }),
      /** Undefined: files are stored in a folder under `dataDir`. */
      s3: kind === 's3' ? s3Of(s3) : undefined,
    }),
  },
);
export type StorageSettings = InstanceType<typeof StorageSettings>;

export interface S3Config {
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Undefined: the credentials that the AWS SDK finds itself. */
  readonly credentials: { accessKeyId: string; secretAccessKey: string } | undefined;
  readonly pathStyle: boolean;
  readonly redirect: boolean;
}

interface S3Values extends Omit<S3Config, 'bucket' | 'credentials'> {
  readonly bucket: string | undefined;
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
}

function s3Of({ bucket = '', accessKeyId, secretAccessKey, ...rest }: S3Values): S3Config {
  const hasKeys = accessKeyId !== undefined && secretAccessKey !== undefined;
  return { ...rest, bucket, credentials: hasKeys ? { accessKeyId, secretAccessKey } : undefined };
}

/** `<id>:<base64 of 32 bytes>`. */
function isEncryptionKey(item: string): boolean {
  const [, key = ''] = /^[\w-]{1,32}:([A-Za-z0-9+/]{43}=)$/.exec(item) ?? [];
  return Buffer.from(key, 'base64').length === 32;
}

function haveOwnIds(given: string): boolean {
  const ids = itemsOf(given).map((item) => item.split(':', 1)[0]);
  return new Set(ids).size === ids.length;
}
