// The errors of locks. The key is not part of the response; the log contains it as the cause.
import { type AppError, defineErrors } from '../libs/app-error.js';

export const LockErrors = defineErrors('LOCK', {
  BUSY: {
    status: 409,
    level: 'info',
    message: () => 'Another request is working on it.',
    cure: 'Try again after the seconds in Retry-After, when the other request has finished.',
  },
  UNAVAILABLE: {
    status: 503,
    level: 'warn',
    message: () => 'At the moment it cannot be ensured that no other request is working on it.',
    cure: 'Try again after the seconds in Retry-After. Nothing was done.',
  },
  LOST: {
    status: 503,
    level: 'warn',
    message: () => 'The lock was lost while the work was running.',
    cure: 'Check the result before you try again: the work may be done in part or completely.',
  },
});

const about = (error: AppError, key: string, cause?: unknown): AppError =>
  Object.assign(error, { cause: new Error(`lock ${key}`, { cause }) });

export const lockBusy = (key: string): AppError => about(LockErrors.BUSY().withHeader('Retry-After', '1'), key);

export const lockUnavailable = (key: string, cause?: unknown): AppError =>
  about(LockErrors.UNAVAILABLE().withHeader('Retry-After', '1'), key, cause);

export const lockLost = (key: string): AppError => about(LockErrors.LOST(), key);
