// Settings of PostgreSQL.
import { devSecretsIn } from '../config/dev-secrets.js';
import { EmbeddedSettings, externalInProduction } from '../config/embedded.settings.js';
import { ProcessSettings } from '../config/process.settings.js';
import { hostInUrl } from '../libs/network.js';
import { defineSettings } from '../config/settings.js';
import { choice, host, integer, port, text, url } from '../config/variables.js';
import { unencryptedHost } from './unencrypted-host.js';

export const DatabaseSettings = defineSettings(
  'PostgreSQL',
  {
    url: url('DATABASE_URL', {
      schemes: ['postgres', 'postgresql'],
      doc: 'PostgreSQL as one URL; if set, it overrides the five variables below',
    }),
    host: host('DATABASE_HOST', {
      doc: 'PostgreSQL host; without it (and without DATABASE_URL) development runs an embedded PostgreSQL',
    }),
    port: port('DATABASE_PORT', { default: 5432, doc: 'PostgreSQL port' }),
    user: text('DATABASE_USER', { default: 'postgres', doc: 'PostgreSQL role' }),
    password: text('DATABASE_PASSWORD', { doc: 'Password of that role' }),
    name: text('DATABASE_NAME', { default: 'holdfast', doc: 'Database name, also of the embedded PostgreSQL' }),
    ssl: choice('DATABASE_SSL', ['off', 'require', 'verify'], {
      default: 'off',
      doc: 'off, require (encrypt) or verify (encrypt and check the certificate)',
    }),
    poolSize: integer('DATABASE_POOL_SIZE', { min: 2, max: 200, default: 10, doc: 'Connections per process' }),
  },
  {
    rules: [externalInProduction('DATABASE_URL', 'DATABASE_HOST')],
    derive({ name, ssl, poolSize, ...parts }, get) {
      const url = urlOf({ ...parts, name });
      const { nodeEnv } = get(ProcessSettings);
      return {
        name,
        ssl,
        poolSize,
        /** Undefined for the embedded PostgreSQL in `dataDir`, whose URL is known once it runs. */
        url,
        /** Superuser password of the embedded PostgreSQL. */
        embeddedPassword: url === undefined ? devSecretsIn(get(EmbeddedSettings).dataDir).database : '',
        /** True when the start creates demo accounts; never in a database that may be meant for production. */
        hasDemoAccounts: nodeEnv === 'development' || (nodeEnv === undefined && url === undefined),
      };
    },
    warn({ ssl, url }) {
      const unencrypted = ssl === 'off' ? unencryptedHost(url) : null;
      if (unencrypted === null) return [];
      return [
        `DATABASE_SSL=off: passwords and data go to ${unencrypted} unencrypted. Set DATABASE_SSL=verify, or require where the certificate cannot be checked.`,
      ];
    },
  },
);
export type DatabaseSettings = InstanceType<typeof DatabaseSettings>;

interface Parts {
  readonly url: string | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly name: string;
}

function urlOf({ url, host, port, user, password, name }: Parts): string | undefined {
  if (url !== undefined || host === undefined) return url;
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  return `postgres://${encodeURIComponent(user)}${secret}@${hostInUrl(host)}:${port}/${encodeURIComponent(name)}`;
}
