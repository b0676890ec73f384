// Settings of the log.
import { defineSettings } from '../config/settings.js';
import { choice } from '../config/variables.js';

export const LoggingSettings = defineSettings('Logging', {
  level: choice('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Minimum level of log lines',
  }),
  format: choice('LOG_FORMAT', ['json', 'pretty'], {
    default: 'pretty',
    productionDefault: 'json',
    doc: 'json or pretty',
  }),
});
export type LoggingSettings = InstanceType<typeof LoggingSettings>;
