// The errors of the storage. Their codes begin with FILE, because callers know only files.
import { defineErrors } from '../shared/libs/app-error.js';

export const StorageErrors = defineErrors('FILE', {
  WRITE_LOST: {
    status: 503,
    level: 'warn',
    message: () => 'The upload was abandoned because its lease was not renewed in time.',
    cure: 'Send it again. Operators: the process was frozen for longer than FILE_LEASE, or lost its connection to the database.',
  },
  STORAGE_FULL: {
    status: 507,
    level: 'warn',
    message: () => 'There is no space left in the storage.',
    cure: 'Operators have to free space on the volume of DATA_DIR; then send it again. Nothing of the upload was kept.',
  },
});

export const QuotaErrors = defineErrors('', {
  QUOTA_EXCEEDED: {
    status: 507,
    level: 'info',
    message: (what: 'bytes' | 'files') => `With this file you would store more ${what} than your quota allows.`,
    cure: 'Delete files that are not needed; GET /api/files/usage shows the usage. Running uploads count too.',
  },
});
