// Settings of secrets, access tokens and password hashes.
import { devSecretsIn } from '../config/dev-secrets.js';
import { EmbeddedSettings } from '../config/embedded.settings.js';
import { defineSettings } from '../config/settings.js';
import { choice, integer, secret } from '../config/variables.js';

export const SecuritySettings = defineSettings(
  'Secrets and tokens',
  {
    jwtSecret: secret('JWT_SECRET', {
      doc: 'Signs access tokens (HS256), 32 characters or more. Development creates its own under DATA_DIR',
    }),
    sessionSecret: secret('SESSION_SECRET', {
      others: ['JWT_SECRET'],
      doc: 'Signs refresh tokens and file links, encrypts page cursors and values in Redis, 32 characters or more',
    }),
    cookieSecret: secret('COOKIE_SECRET', {
      others: ['JWT_SECRET', 'SESSION_SECRET'],
      doc: 'Signs the refresh cookie and the device cookie, 32 characters or more',
    }),
    accessTokenTtlSeconds: integer('ACCESS_TOKEN_TTL', {
      min: 10,
      max: 86_400,
      default: 900,
      doc: 'Lifetime of an access token, seconds',
    }),
    passwordHash: choice('PASSWORD_HASH', ['argon2id', 'bcrypt'], {
      default: 'argon2id',
      doc: 'Hash of new passwords; the other kind is still verified, and replaced at login',
    }),
  },
  {
    /** Outside production, missing secrets come from `<DATA_DIR>/secrets.json`. */
    derive({ jwtSecret, sessionSecret, cookieSecret, ...rest }, get) {
      if (jwtSecret && sessionSecret && cookieSecret) return { ...rest, jwtSecret, sessionSecret, cookieSecret };
      const made = devSecretsIn(get(EmbeddedSettings).dataDir);
      return {
        ...rest,
        jwtSecret: jwtSecret ?? made.jwt,
        sessionSecret: sessionSecret ?? made.session,
        cookieSecret: cookieSecret ?? made.cookie,
      };
    },
  },
);
export type SecuritySettings = InstanceType<typeof SecuritySettings>;
