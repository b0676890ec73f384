// Settings of rate limits.
import { defineSettings } from '../config/settings.js';
import { choice, rate } from '../config/variables.js';

export const RateLimitSettings = defineSettings(
  'Rate limits',
  {
    mode: choice('RATE_LIMIT_MODE', ['enforce', 'dry-run', 'off'], {
      default: 'enforce',
      doc: 'enforce, dry-run (count and log, refuse nothing) or off',
    }),
    standard: {
      burst: rate('RATE_LIMIT_BURST', { default: '300/10', doc: 'Short limit of every caller' }),
      sustained: rate('RATE_LIMIT_SUSTAINED', { default: '1200/60', doc: 'Long limit of every caller' }),
    },
    auth: {
      burst: rate('AUTH_RATE_LIMIT_BURST', {
        default: '5/10',
        doc: 'Short limit of an address on register and on login, of a session on its password',
      }),
      sustained: rate('AUTH_RATE_LIMIT_SUSTAINED', {
        default: '10/60',
        doc: 'Long limit of an address on register and on login, of a session on its password',
      }),
    },
    loginOfAccount: rate('LOGIN_ACCOUNT_LIMIT', {
      default: '10/900',
      doc: 'Password checks for one account, from wherever they come',
    }),
  },
  {
    warn: ({ mode }) =>
      mode === 'off'
        ? [
            'RATE_LIMIT_MODE=off: nothing limits requests, not even guesses at passwords. Set RATE_LIMIT_MODE=enforce, or dry-run to only log.',
          ]
        : [],
  },
);
export type RateLimitSettings = InstanceType<typeof RateLimitSettings>;
