// The configuration of a test: complete without .env, DATA_DIR or the environment of the machine.
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppConfig, loadConfig } from '../../src/shared/config/app-config.js';

const secret = 'a secret of more than 32 characters';

/** `env`: variables as text, as in the environment of a process. Rate limits are off, except for suites that test them. */
export function testConfig(databaseUrl: string, env: Record<string, string> = {}): AppConfig {
  const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
  // Databases of tests are copies of one, and so have the same audit log.
  const audit = { AUDIT_CHECKPOINT_DIR: join(tmpdir(), 'audit', randomUUID()) };
  const given = { NODE_ENV: 'test', PORT: '0', RATE_LIMIT_MODE: 'off', DATABASE_URL: databaseUrl };
  return loadConfig({ ...given, ...secrets, ...audit, ...env });
}
