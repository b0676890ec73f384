// The errors of buckets.
import { defineErrors } from '../../shared/libs/app-error.js';

export const BucketErrors = defineErrors('BUCKET', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (name: string) => `No bucket ${name}.`,
    cure: 'GET /api/buckets lists the buckets; administrators create new ones.',
  },
  NAME_TAKEN: {
    status: 409,
    level: 'info',
    message: (name: string) => `A bucket ${name} already exists.`,
    cure: 'Choose another name, or change that bucket.',
  },
  NOT_EMPTY: {
    status: 409,
    level: 'info',
    message: (name: string) => `Bucket ${name} contains files, running uploads, or deleted files that may be restored.`,
    cure: 'The owners must delete their files first; deleted files may be restored for FILE_RETENTION days.',
  },
  NEEDED: {
    status: 409,
    level: 'info',
    message: (name: string) =>
      `Bucket ${name} stores files that name no bucket, and results of jobs: it must stay, be private and accept every type.`,
    cure: 'Change its limits instead, or create another bucket.',
  },
});
