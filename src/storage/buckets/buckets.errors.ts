// The errors of buckets.
import { defineErrors } from '../../shared/libs/app-error.js';

export const BucketErrors = defineErrors('BUCKET', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (name: string) => `No bucket ${name}.`,
    cure: 'GET /api/buckets lists the buckets; an administrator makes new ones.',
  },
  NAME_TAKEN: {
    status: 409,
    level: 'info',
    message: (name: string) => `There is a bucket ${name} already.`,
    cure: 'Choose another name, or change that bucket.',
  },
  NOT_EMPTY: {
    status: 409,
    level: 'info',
    message: (name: string) =>
      `Bucket ${name} holds files, some are being uploaded into it, or deleted ones may come back.`,
    cure: 'Their owners delete them first; what is deleted may come back for FILE_RETENTION days.',
  },
  NEEDED: {
    status: 409,
    level: 'info',
    message: (name: string) =>
      `Bucket ${name} is where files go that name no bucket, and what jobs make: it stays, private and for every type.`,
    cure: 'Change its limits instead, or make another bucket.',
  },
});
