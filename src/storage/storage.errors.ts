// The errors of the storage. Their codes begin with FILE, because callers know only files.
import { defineErrors } from '../shared/libs/app-error.js';

export const StorageErrors = defineErrors('FILE', {
  WRITE_LOST: {
    status: 503,
    level: 'warn',
    message: () => 'The upload took so long without a sign of life that it was given up.',
    cure: 'Send it again. Operators: the process was frozen for longer than FILE_LEASE, or cut off from the database.',
  },
  STORAGE_FULL: {
    status: 507,
    level: 'warn',
    message: () => 'There is no room left in the storage.',
    cure: 'Operators make room on the volume of DATA_DIR. Nothing of the upload was kept; send it again then.',
  },
});

export const QuotaErrors = defineErrors('', {
  QUOTA_EXCEEDED: {
    status: 507,
    level: 'info',
    message: (what: 'bytes' | 'files') => `With this file there would be more ${what} than the quota allows.`,
    cure: 'Delete files that are not needed; GET /api/files/usage tells what is used. Uploads that are under way count too.',
  },
});
