// Development secrets, created once under DATA_DIR and readable only by the owner.
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './config-error.js';

export interface DevSecrets {
  jwt: string;
  session: string;
  cookie: string;
  database: string;
}

/** Like `ensureDevSecrets`, for the start. Throws ConfigError. */
export function devSecretsIn(dataDir: string): DevSecrets {
  try {
    return ensureDevSecrets(dataDir);
  } catch (error) {
    throw new ConfigError([`DATA_DIR ${dataDir} cannot be used: ${(error as Error).message}`]);
  }
}

const make = (): string => randomBytes(32).toString('base64url');

/** Reads or creates `<dataDir>/secrets.json` (mode 0600). When two processes create it at once, both use the first one. */
export function ensureDevSecrets(dataDir: string): DevSecrets {
  const file = join(dataDir, 'secrets.json');
  mkdirSync(dataDir, { recursive: true });
  const aside = `${file}.${process.pid}`;
  const found = read(file);
  if (found) return found;
  writeFileSync(aside, JSON.stringify({ jwt: make(), session: make(), cookie: make(), database: make() }), {
    mode: 0o600,
  });
  try {
    linkSync(aside, file); // a link, unlike a rename, never replaces the file of another process
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside);
  }
  return read(file) as DevSecrets;
}

/** Returns null when there is no file. Throws when its content is damaged: anybody could forge what an empty secret signs. */
function read(file: string): DevSecrets | null {
  try {
    return secretsOf(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(
      `${file} does not contain valid secrets (${(error as Error).message}). Repair it, or move it away: new secrets end all sessions.`,
      { cause: error },
    );
  }
}

function secretsOf(value: unknown): DevSecrets {
  const secrets = (value ?? {}) as Partial<DevSecrets>;
  for (const name of ['jwt', 'session', 'cookie', 'database'] as const)
    if (typeof secrets[name] !== 'string' || secrets[name].length < 32)
      throw new Error(`${name} is missing or too short`);
  return secrets as DevSecrets;
}
