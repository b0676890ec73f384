// Settings of the process as a whole.
import manifest from '../../../package.json' with { type: 'json' };
import { defineSettings } from './settings.js';
import { choice, text } from './variables.js';

export const ProcessSettings = defineSettings(
  'Process',
  {
    nodeEnv: choice('NODE_ENV', ['development', 'test', 'production'], {
      doc: 'development, test or production. Default: development, but without demo accounts in a database that is not embedded',
    }),
    role: choice('APP_ROLE', ['all', 'api', 'worker'], {
      default: 'all',
      doc: 'all, api (requests only) or worker (background jobs, and the probes)',
    }),
    timeZone: text('TZ', {
      default: 'UTC',
      checks: [{ accepts: isTimeZone, rule: 'must be a time zone like UTC or Europe/Vienna' }],
      doc: 'Time zone of the process; responses always use UTC',
    }),
  },
  {
    derive: (values) => ({
      ...values,
      environment: values.nodeEnv ?? 'development',
      version: manifest.version,
    }),
  },
);
export type ProcessSettings = InstanceType<typeof ProcessSettings>;

function isTimeZone(zone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: zone }));
  } catch {
    return false;
  }
}
