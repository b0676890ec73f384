// Applies the migrations of the build in a process of its own: TypeORM loads them by file name, without Jest.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const SCRIPT = `
  import { loadConfig } from './dist/src/shared/config/app-config.js';
  import { migrate } from './dist/src/shared/database/migrate.js';
  console.log(JSON.stringify(await migrate(loadConfig(), process.env.DATABASE_URL)));`;
const secret = 'a secret of more than 32 characters';

/** Returns the names of the applied migrations. Rejects with an error whose message contains the output of the process. */
export async function migrate(url: string): Promise<string[]> {
  const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
  const env = { ...process.env, NODE_ENV: 'test', DATABASE_URL: url, ...secrets };
  const argv = ['--input-type=module', '--eval', SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { env });
  return JSON.parse(stdout) as string[];
}
