// Error definitions of auth.
import { defineErrors } from '../shared/libs/app-error.js';

export const AuthErrors = defineErrors('AUTH', {
  INVALID_CREDENTIALS: {
    status: 401,
    level: 'info',
    message: () => 'E-mail or password is wrong.',
    cure: 'Check both. The answer is the same for an unknown e-mail and for a wrong password.',
  },
  REFRESH_INVALID: {
    status: 401,
    level: 'info',
    message: () => 'The refresh token is missing, malformed, expired, or its session has ended.',
    cure: 'Log in again.',
  },
  REFRESH_REUSED: {
    status: 401,
    level: 'warn',
    message: () => 'This refresh token was used before: the session is ended, since one of its two holders is not you.',
    cure: 'Log in again; if you did not refresh twice, change your password.',
  },
  CROSS_SITE: {
    status: 403,
    level: 'warn',
    message: () => 'The refresh cookie is accepted from our own and the allow-listed origins only.',
    cure: 'Call from an origin in CORS_ORIGINS, or send the refresh token in the body.',
  },
  ACCOUNT_SLOWED: {
    status: 429,
    level: 'info',
    message: () => 'Too many wrong passwords were tried for this account.',
    cure: 'Wait for the seconds in Retry-After, or use a device (browser) on which the account logged in before: strangers cannot slow it.',
  },
  SESSION_NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No session ${id}.`,
    cure: 'List your sessions (GET /api/auth/sessions); an ended one is gone.',
  },
});
