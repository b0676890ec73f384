// The built commands `npm run db:seed`, `db:reset`, `user:create-admin`, `audit:verify`, `openapi` and `env-example`, run as processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { AuditVerifier } from '../../src/audit/seals/audit-verifier.js';
import { SecuritySettings } from '../../src/shared/security/security.settings.js';
import { PasswordHasher } from '../../src/shared/security/password-hasher.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { SELF_SIGNED, startTlsProxy } from '../support/engines/tls-proxy.js';
import { startServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000); // each command is a separate process

const CLI = resolve('dist/src/cli.js');
const SECRET = 'a secret of more than 32 characters';
const PRODUCTION = { NODE_ENV: 'production', REDIS_HOST: 'redis.invalid', RABBITMQ_URL: 'amqp://rabbit.invalid' };

let database: ClonedDatabase;
let folder: string;
let client: pg.Client;

beforeAll(async () => {
  database = await cloneDatabase();
  folder = mkdtempSync(join(tmpdir(), 'cli-')); // contains no developer's .env
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => client.query('TRUNCATE users CASCADE'));

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** `input`: the content of standard input; without it the command has no standard input to read. */
async function run(args: string[], env: Record<string, string> = {}, input?: string): Promise<Outcome> {
  const secrets = { JWT_SECRET: `${SECRET} (jwt)`, SESSION_SECRET: `${SECRET} (session)`, COOKIE_SECRET: SECRET };
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    env: { NODE_ENV: 'development', DATABASE_URL: database.url, ...secrets, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => undefined).end(input); // a command that refuses early does not read its input
  const output = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

/** Runs the command in a pseudo-terminal, which `script` of util-linux provides. */
class Terminal {
  /** Everything that the terminal displayed. */
  screen = '';
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(args: string[]) {
    const command = [process.execPath, CLI, ...args].join(' ');
    const env = { PATH: process.env['PATH'], SHELL: '/bin/sh', DATABASE_URL: database.url, DATA_DIR: folder };
    this.child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { cwd: folder, env });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.screen += text));
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** Types the answer and Enter once the question appears. */
  async answer(question: string, text: string): Promise<void> {
    await until(() => this.screen.includes(question), `the question ${question}`, 30_000);
    this.child.stdin?.write(`${text}\r`);
  }
}

const refusal = (line: string): Outcome => ({ code: 1, out: '', err: `${line}\n` });

interface Account {
  email: string;
  role: string;
  password_hash: string;
}

async function accounts(): Promise<Account[]> {
  return (await client.query<Account>('SELECT email, role, password_hash FROM users ORDER BY email')).rows;
}

/** Returns the printed passwords by e-mail address. */
function printedIn(out: string): Map<string, string> {
  const lines = out.matchAll(/^ {2}(?:ADMIN|USER) +(\S+@\S+) {2}(\S+)$/gm);
  return new Map([...lines].map(([, email, password]) => [email as string, password as string]));
}

const hasher = new PasswordHasher(testConfig('postgres://db/holdfast').get(SecuritySettings));

/** Returns the stored accounts that the printed passwords open. */
async function opened(printed: Map<string, string>): Promise<string[]> {
  const found: string[] = [];
  for (const { email, password_hash: hash } of await accounts())
    if (await hasher.verify(hash, printed.get(email) ?? '')) found.push(email);
  return found;
}

const DEMO = ['demo-admin@holdfast.example', 'demo-user@holdfast.example'];

describe('db:seed', () => {
  it('creates an administrator and a user, and prints their passwords once', async () => {
    const first = await run(['seed']);
    expect([first.code, first.err]).toEqual([0, '']);
    expect(await accounts()).toMatchObject([
      { email: 'demo-admin@holdfast.example', role: 'ADMIN' },
      { email: 'demo-user@holdfast.example', role: 'USER' },
    ]);
    const printed = printedIn(first.out);
    expect([...printed.keys()]).toEqual(DEMO);
    expect(new Set(printed.values()).size).toBe(2);
    expect(await opened(printed)).toEqual(DEMO);

    const before = await accounts();
    const second = await run(['seed']);
    expect([second.code, second.err, printedIn(second.out).size]).toEqual([0, '', 0]);
    expect(second.out).toContain('--new-passwords');
    expect(await accounts()).toEqual(before);

    const third = await run(['seed', '--new-passwords']);
    expect(third.code).toBe(0);
    expect(await opened(printedIn(third.out))).toEqual(DEMO);
    expect(await opened(printed)).toEqual([]);
    expect(await accounts()).toHaveLength(2);
  });

  it('creates only missing accounts', async () => {
    await client.query(
      `INSERT INTO users (id, uuid, email, role, password_hash) VALUES (1, gen_random_uuid(), 'demo-admin@holdfast.example', 'USER', 'kept')`,
    );
    const { out } = await run(['seed']);
    expect([...printedIn(out).keys()]).toEqual(['demo-user@holdfast.example']);
    expect((await accounts())[0]).toEqual({
      email: 'demo-admin@holdfast.example',
      role: 'USER',
      password_hash: 'kept',
    });
  });

  it('creates tasks in every status and priority once; a user who deletes them gets no new ones', async () => {
    const tasks = async (deleted: boolean) =>
      (
        await client.query<Record<'email' | 'title' | 'status' | 'priority', string>>(
          `SELECT email, title, status, priority::text FROM tasks JOIN users u ON u.id = owner_id
           WHERE (tasks.deleted_at IS NOT NULL) = $1 ORDER BY email, title`,
          [deleted],
        )
      ).rows;
    expect((await run(['seed'])).code).toBe(0);
    const made = await tasks(false);
    for (const email of DEMO) {
      const own = made.filter((task) => task.email === email);
      expect(own.map(({ title }) => title).length).toBeGreaterThanOrEqual(5);
      expect(new Set(own.map(({ status }) => status))).toEqual(new Set(['TODO', 'IN_PROGRESS', 'DONE']));
      expect(new Set(own.map(({ priority }) => priority))).toEqual(new Set(['1', '2', '3', '4', '5']));
    }
    await client.query('UPDATE tasks SET deleted_at = now() FROM users u WHERE u.id = owner_id AND u.email = $1', [
      DEMO[1],
    ]);
    expect((await run(['seed'])).code).toBe(0);
    expect(await tasks(false)).toEqual(made.filter(({ email }) => email === DEMO[0]));
    expect(await tasks(true)).toEqual(made.filter(({ email }) => email === DEMO[1]));
    await client.query('DELETE FROM tasks WHERE deleted_at IS NOT NULL'); // as the cleanup job does
    expect((await run(['seed'])).code).toBe(0);
    expect(await tasks(false)).toEqual(made.filter(({ email }) => email === DEMO[0]));
  });

  it('is refused in production', async () => {
    expect(await run(['seed', '--new-passwords'], PRODUCTION)).toEqual(
      refusal('Refused with NODE_ENV=production. Demo accounts have no place in production.'),
    );
    expect(await accounts()).toEqual([]);
  });
});

describe('db:reset', () => {
  beforeEach(() =>
    client.query(`
      INSERT INTO users (id, uuid, email) VALUES (1, gen_random_uuid(), 'ada@example.com');
      INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title) SELECT 2, gen_random_uuid(), id, uuid, 'mine' FROM users;
      CREATE TABLE IF NOT EXISTS left_over (id integer)`),
  );

  const rows = async (table: string) =>
    Number((await client.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0]?.count);

  it('deletes nothing without confirmation', async () => {
    expect(await run(['reset'])).toEqual(
      refusal('There is no terminal for a question. Add --yes to delete everything without one.'),
    );
    expect([await rows('users'), await rows('tasks')]).toEqual([1, 1]);
  });

  it('deletes nothing in production, even when confirmed', async () => {
    const attempts = await Promise.all([['reset'], ['reset', '--yes']].map((args) => run(args, PRODUCTION)));
    for (const attempt of attempts)
      expect(attempt).toEqual(refusal('Refused with NODE_ENV=production. It would delete everything.'));
    expect([await rows('users'), await rows('tasks')]).toEqual([1, 1]);
  });

  it('empties, migrates and seeds the database with --yes', async () => {
    const { code, out, err } = await run(['reset', '--yes']);
    expect([code, err]).toEqual([0, '']);
    const migrations = await rows('migration');
    expect(out).toContain(`Deleted everything; ${migrations} migrations applied.`);
    expect((await accounts()).map(({ email }) => email)).toEqual(DEMO);
    expect(await opened(printedIn(out))).toEqual(DEMO);
    expect(await rows("tasks WHERE title = 'mine'")).toBe(0);
    const [left] = (await client.query<{ left: string | null }>(`SELECT to_regclass('left_over') AS left`)).rows;
    expect(left).toEqual({ left: null });
  });
});

it('audit:verify names what was changed, and then fails', async () => {
  const audit = { AUDIT_CHECKPOINT_DIR: join(folder, 'audit') };
  const server = await startServer(audit);
  const verify = () =>
    run(['audit-verify'], {
      ...audit,
      DATABASE_URL: server.databaseUrl,
      SESSION_SECRET: SECRET,
      COOKIE_SECRET: `${SECRET} (cookie)`,
    });
  try {
    await server.registerUser();
    await until(async () => {
      const { sealed, unsealed, hasCheckpoint } = await server.app.get(AuditVerifier).verify();
      return sealed && unsealed === 0 && hasCheckpoint;
    }, 'the seals');
    const clean = await verify();
    expect(clean).toMatchObject({ code: 0, err: '' });
    expect(clean.out).toMatch(
      /^Entries 1 to \d+ are sealed\.\nCheckpoint: .*\nNothing was changed, removed or added\.\n$/,
    );
    await server.sql('ALTER TABLE audit_log DISABLE TRIGGER USER');
    await server.sql(`UPDATE audit_log SET action = 'test.three' WHERE position = 1`);
    const tampered = await verify();
    expect(tampered).toMatchObject({ code: 1, out: expect.stringMatching(/\nEntry 1 was changed\.\nFaults: 1\./) });
  } finally {
    await server.close();
  }
});

describe('user:create-admin', () => {
  const PASSWORD = 'zebra-Lantern-42-quiet-orbit';
  const ROOT = 'root@example.com';
  const CREATED = `Created the administrator ${ROOT}.\n`;
  const EXISTS = 'An administrator exists already. Nothing was changed; --another creates one more.';
  /** Removes the logs, which production writes as JSON. */
  const withoutLogs = (out: string): string => out.replace(/^\{.*\}\n/gm, '');
  const administrators = async () => (await accounts()).map(({ email, role }) => `${role} ${email}`);

  it('creates the first administrator in production with the password from standard input', async () => {
    const { code, out, err } = await run(['create-admin', ' Root@Example.com '], PRODUCTION, `${PASSWORD}\n`);
    expect([code, withoutLogs(out), err]).toEqual([0, CREATED, '']);
    expect(await administrators()).toEqual([`ADMIN ${ROOT}`]);
    expect(await opened(new Map([[ROOT, PASSWORD]]))).toEqual([ROOT]);
  });

  it('creates a second administrator only with --another', async () => {
    await run(['create-admin', ROOT], {}, PASSWORD);
    const refused = await run(['create-admin', 'eve@example.com'], {}, PASSWORD);
    expect([refused.code, refused.err]).toEqual([1, `${EXISTS}\n`]);
    expect(await administrators()).toEqual([`ADMIN ${ROOT}`]);
    const { code, err } = await run(['create-admin', 'bob@example.com', '--another'], {}, PASSWORD);
    expect([code, err, await administrators()]).toEqual([0, '', ['ADMIN bob@example.com', `ADMIN ${ROOT}`]]);
  });

  it('creates one administrator when two commands run at once', async () => {
    const emails = ['one@example.com', 'two@example.com'];
    const both = await Promise.all(emails.map((email) => run(['create-admin', email], {}, PASSWORD)));
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(both.map(({ err }) => err).sort()).toEqual(['', `${EXISTS}\n`]);
    expect(await accounts()).toHaveLength(1);
  });

  it.each<[string, string[], string | undefined, RegExp]>([
    ['without an e-mail', [], PASSWORD, /^Whose account\? /],
    ['with a password as an argument', [ROOT, PASSWORD], '', /A password is never one/],
    ['with a password as an option', [ROOT, `--password=${PASSWORD}`], '', /'--password'/],
    ['without input', [ROOT], undefined, /^No password: run this command in a terminal/],
    ['with values that break the account rules', ['root at example'], 'short\n', /email must .*password must /],
  ])('fails with one line %s', async (_what, args, input, line) => {
    const { code, out, err } = await run(['create-admin', ...args], PRODUCTION, input);
    expect([code, withoutLogs(out), err.match(/\n/g)?.length]).toEqual([1, '', 1]);
    expect(err).toMatch(line);
    expect(err).not.toContain(PASSWORD);
    expect(await accounts()).toEqual([]);
  });

  it('refuses an address in use, and leaves that account unchanged', async () => {
    await client.query(
      `INSERT INTO users (id, uuid, email, role, password_hash) VALUES (1, gen_random_uuid(), '${ROOT}', 'USER', 'kept')`,
    );
    const { code, err } = await run(['create-admin', ROOT], {}, PASSWORD);
    expect([code, err]).toEqual([1, 'This e-mail address belongs to another account.\n']);
    expect(await accounts()).toEqual([{ email: ROOT, role: 'USER', password_hash: 'kept' }]);
  });

  it('refuses an unmigrated database in production with one line', async () => {
    await client.query('ALTER TABLE migration RENAME TO migration_hidden');
    try {
      const { code, err } = await run(['create-admin', ROOT], PRODUCTION, PASSWORD);
      expect([code, err]).toEqual([1, 'The database lacks migrations. Apply them first: npm run migration:run\n']);
    } finally {
      await client.query('ALTER TABLE migration_hidden RENAME TO migration');
    }
  });

  const atTerminal = process.platform === 'linux' ? it : it.skip;
  atTerminal('prompts in a terminal without showing the password', async () => {
    const terminal = new Terminal(['create-admin']);
    await terminal.answer('E-mail of the administrator: ', ROOT);
    await terminal.answer('Password (not shown): ', PASSWORD);
    await terminal.answer('The same again: ', PASSWORD);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen).toContain(CREATED.trim());
    expect(terminal.screen).not.toContain(PASSWORD);
    expect(await opened(new Map([[ROOT, PASSWORD]]))).toEqual([ROOT]);
  });

  atTerminal('refuses two different passwords in a terminal, and creates no account after Ctrl-C', async () => {
    const careless = new Terminal(['create-admin', ROOT]);
    await careless.answer('Password (not shown): ', PASSWORD);
    await careless.answer('The same again: ', `${PASSWORD}!`);
    expect(await careless.ended).toBe(1);
    expect(careless.screen).toContain('The two passwords differ.');
    const interrupted = new Terminal(['create-admin', ROOT]);
    await interrupted.answer('Password (not shown): ', '\x03'); // Ctrl-C
    expect(await interrupted.ended).toBe(1);
    expect(interrupted.screen).toContain('Interrupted. Nothing was changed.');
    expect(await accounts()).toEqual([]);
  });
});

it('the env-example command writes the committed file', async () => {
  const { code, out, err } = await run(['env-example']);
  expect([code, out, err]).toEqual([0, 'Written: .env.example\n', '']);
  expect(readFileSync(join(folder, '.env.example'), 'utf8')).toBe(readFileSync('.env.example', 'utf8'));
});

it('the openapi command writes the committed document', async () => {
  const { code, out, err } = await run(['openapi']);
  expect([code, out, err]).toEqual([0, 'Written: openapi.json\n', '']);
  expect(readFileSync(join(folder, 'openapi.json'), 'utf8')).toBe(readFileSync('openapi.json', 'utf8'));
});

describe('invalid usage fails with one line', () => {
  it('for a missing or unknown command', async () => {
    const attempts = await Promise.all([[], ['sed'], ['constructor', '--yes']].map((args) => run(args)));
    for (const attempt of attempts)
      expect(attempt).toEqual(
        refusal('Which command? One of: seed, reset, create-admin, audit-verify, openapi, env-example.'),
      );
  });

  it('for an unknown or invalid option', async () => {
    const attempts = await Promise.all(
      [
        ['seed', '--new-password'],
        ['reset', '--yes=maybe'],
      ].map((args) => run(args)),
    );
    for (const { code, out, err } of attempts) {
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^[^\n]*'--(new-password|yes)'[^\n]*\n$/);
    }
  });

  it('for a missing database, or an untrusted certificate', async () => {
    const url = new URL(database.url);
    expect(await run(['seed'], { DATABASE_URL: Object.assign(new URL(url), { pathname: 'nowhere' }).href })).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(/^The database "nowhere" does not exist on [^\n]*: createdb [^\n]*\n$/),
    });
    const front = await startTlsProxy(url);
    const env = {
      DATABASE_URL: Object.assign(new URL(url), { hostname: 'localhost', port: String(front.port) }).href,
      DATABASE_SSL: 'verify',
    };
    const authority = join(folder, 'ca.pem');
    writeFileSync(authority, SELF_SIGNED);
    const [untrusted, trusted] = [
      await run(['reset'], env),
      await run(['reset'], { ...env, NODE_EXTRA_CA_CERTS: authority }),
    ];
    front.close();
    expect([untrusted.out, untrusted.err]).toEqual([
      '',
      expect.stringMatching(/^The certificate of localhost is not trusted [^\n]*\n$/),
    ]);
    // The connection was accepted.
    expect(trusted).toEqual(
      refusal('There is no terminal for a question. Add --yes to delete everything without one.'),
    );
  });

  it('for an invalid environment, with one line for each fault', async () => {
    const { code, out, err } = await run(['seed'], { PORT: 'x', JWT_SECRET: 'short' });
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^The configuration has 2 faults:\n {2}- PORT must.*\n {2}- JWT_SECRET length.*\n$/);
    expect(err).not.toContain('short');
  });
});
