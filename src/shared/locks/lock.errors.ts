// The errors of locks. The key is not part of the response; the log contains it as the cause.
import { type AppError, defineErrors } from '../libs/app-error.js';

export const LockErrors = defineErrors('LOCK', {
  BUSY: {
    status: 409,
    level: 'info',
    message: () => 'Somebody else is at work on it.',
    cure: 'Try again after the seconds in Retry-After; whoever is at work will have finished.',
  },
  UNAVAILABLE: {
    status: 503,
    level: 'warn',
    message: () => 'It cannot be made sure at the moment that nobody else is at work on it.',
    cure: 'Try again after the seconds in Retry-After. Nothing was done.',
  },
  LOST: {
    status: 503,
    level: 'warn',
    message: () => 'While the work ran, the lock on it was lost.',
    cure: 'Look at what became of it before you try again: it may be done, in part or as a whole.',
  },
});

const about = (error: AppError, key: string, cause?: unknown): AppError =>
  Object.assign(error, { cause: new Error(`lock ${key}`, { cause }) });

export const lockBusy = (key: string): AppError => about(LockErrors.BUSY().withHeader('Retry-After', '1'), key);

export const lockUnavailable = (key: string, cause?: unknown): AppError =>
  about(LockErrors.UNAVAILABLE().withHeader('Retry-After', '1'), key, cause);

export const lockLost = (key: string): AppError => about(LockErrors.LOST(), key);
