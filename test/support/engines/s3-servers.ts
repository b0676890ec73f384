// S3 servers for the suites: s3rver always, Ceph if it is installed, and one that the environment names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type S3Config, StorageSettings } from '../../../src/storage/storage.settings.js';
import { testConfig } from '../config.js';
import { s3Installed, startOwnS3 } from './own-s3.js';

export interface S3Server {
  readonly config: S3Config;
  stop(): Promise<void>;
}

/** Features of S3 that s3rver lacks; other servers have them. */
export type MissingFeature = 'unfinished uploads' | 'signatures' | 'a range of the first byte alone';

export interface S3Kind {
  name: string;
  available: boolean;
  missing: readonly MissingFeature[];
  start: () => Promise<S3Server>;
}

export const S3_KINDS: readonly S3Kind[] = [
  {
    name: 's3rver',
    available: true,
    missing: ['unfinished uploads', 'signatures', 'a range of the first byte alone'],
    start: startS3rver,
  },
  { name: 'Ceph', available: s3Installed, missing: [], start: startCeph },
  {
    name: 'S3_TEST_ENDPOINT',
    available: process.env['S3_TEST_ENDPOINT'] !== undefined,
    missing: [],
    start: async () => usersS3(),
  },
];

/** Parsed from environment variables, like the settings of the application. */
function settings(env: Record<string, string>): S3Config {
  const { s3 } = testConfig('postgres://no.database', { FILE_STORAGE: 's3', ...env }).get(StorageSettings);
  if (!s3) throw new Error('There are no settings of S3.');
  return s3;
}

export async function startS3rver(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-s3rver-'));
  const script = fileURLToPath(new URL('./s3rver.mjs', import.meta.url));
  const args = ['--no-warnings', script, folder, 'files'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    config: settings({
      S3_ENDPOINT: `http://127.0.0.1:${port.toString().trim()}`,
      ...{ S3_BUCKET: 'files', S3_ACCESS_KEY_ID: 'S3RVER', S3_SECRET_ACCESS_KEY: 'S3RVER' },
    }),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startCeph(): Promise<S3Server> {
  const ceph = await startOwnS3();
  return {
    config: settings({
      ...{ S3_ENDPOINT: ceph.endpoint, S3_REGION: ceph.region, S3_BUCKET: ceph.bucket },
      ...{ S3_ACCESS_KEY_ID: ceph.accessKeyId, S3_SECRET_ACCESS_KEY: ceph.secretAccessKey },
    }),
    stop: () => ceph.stop(),
  };
}

/** Each S3 setting as S3_TEST_…: S3_TEST_ENDPOINT, S3_TEST_BUCKET (it must exist), S3_TEST_ACCESS_KEY_ID and so on. */
function usersS3(): S3Server {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith('S3_TEST_'));
  const env = Object.fromEntries(given.map(([name, value = '']) => [name.replace('S3_TEST_', 'S3_'), value]));
  return { config: settings(env), stop: async () => undefined };
}
