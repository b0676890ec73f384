// The settings of a test: complete without .env, DATA_DIR or this machine's environment.
import { type AppConfig, toAppConfig } from '../../src/shared/config/app-config.js';
import { readEnv } from '../../src/shared/config/env.schema.js';

const secret = 'a secret of more than 32 characters';

/** `env`: variables as text, as the process would have them. Limits are off, but for suites that are about them. */
export function testConfig(databaseUrl: string, env: Record<string, string> = {}): AppConfig {
  const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
  return toAppConfig(
    readEnv({ NODE_ENV: 'test', PORT: '0', RATE_LIMIT_MODE: 'off', DATABASE_URL: databaseUrl, ...secrets, ...env }),
  );
}
