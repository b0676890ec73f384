// The database check at the start: an unsuitable or unreachable database is refused in one line with the cure.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { checkDatabase } from '../../src/shared/database/database-check.js';
import { DatabaseRefusedError, mayPass, refusalOf } from '../../src/shared/database/database-refusal.js';
import { openDatabase } from '../../src/shared/database/database-url.js';
import { migrate } from '../support/engines/migrate.js';
import { testConfig } from '../support/config.js';
import { startTlsProxy, type TlsProxy } from '../support/engines/tls-proxy.js';

jest.setTimeout(60_000);

const SERVER = new URL(process.env['TEST_DATABASE_URL'] as string);
const HOST = `${SERVER.hostname}:${SERVER.port || '5432'}`;
const id = randomUUID().slice(0, 8);
const made: string[] = [];

async function onServer<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: SERVER.href });
  await client.connect();
  return (await client.query<R>(sql).finally(() => client.end())).rows;
}

/** Creates a database that the suite drops at the end. */
async function create(name: string, options: string): Promise<string> {
  const database = `check_${name}_${id}`;
  await onServer(`CREATE DATABASE ${database} TEMPLATE template0 ${options}`);
  made.push(database);
  return database;
}

function urlOf(changes: Partial<Record<'username' | 'password' | 'hostname' | 'port' | 'pathname', string>>): string {
  return Object.assign(new URL(SERVER), changes).href;
}

/** Returns the error line of a start with this database, or undefined when it is accepted. */
async function refusal(url: string, env: Record<string, string> = {}): Promise<string | undefined> {
  try {
    await openDatabase(testConfig(url, env), 'join', () => undefined);
    return undefined;
  } catch (error) {
    if (!(error instanceof DatabaseRefusedError)) throw error;
    return error.message;
  }
}

const role = `check_role_${id}`;
let front: TlsProxy;
let secureUrl: string;

beforeAll(async () => {
  await onServer(`CREATE ROLE ${role} LOGIN PASSWORD 'opensesame'`);
  front = await startTlsProxy(SERVER);
  secureUrl = urlOf({ hostname: '127.0.0.1', port: String(front.port) });
});
afterAll(async () => {
  front.close();
  for (const name of made) await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
  await onServer(`DROP ROLE ${role}`);
});

it('the database of the embedded PostgreSQL is accepted', async () => {
  expect(await refusal(SERVER.href)).toBeUndefined();
});

describe('an unsuitable database is refused', () => {
  const cure = (name: string) =>
    `create another with CREATE DATABASE "${name}_utf8" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8', move the data with pg_dump, and name it in DATABASE_NAME (or DATABASE_URL).`;

  it.each(['SQL_ASCII', 'LATIN1'])('with the encoding %s', async (encoding) => {
    const name = await create(encoding.toLowerCase(), `ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C'`);
    expect(await refusal(urlOf({ pathname: name }))).toBe(
      `The database "${name}" is encoded in ${encoding}, which cannot store every text: ${cure(name)}`,
    );
  });

  it.each([
    ['the character type C', "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"],
    ['the character type POSIX', "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'POSIX'"],
    ['Turkish case rules', "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'"],
  ])('with %s', async (title, locale) => {
    const name = await create(title.split(' ').at(-1)?.toLowerCase() ?? '', `ENCODING 'UTF8' ${locale}`);
    expect(await refusal(urlOf({ pathname: name }))).toMatch(
      new RegExp(`^The character type of the database "${name}" does not map .*CREATE DATABASE "${name}_utf8"`),
    );
  });

  it('with a cure that works: the resulting database is accepted, and folds the case of names and searches', async () => {
    const name = await create('cured', "ENCODING 'UTF8' LOCALE 'C.UTF-8'");
    const url = urlOf({ pathname: name });
    expect(await refusal(url)).toBeUndefined();
    await migrate(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const add = (key: number, username: string) =>
      client.query('INSERT INTO users (id, uuid, username) VALUES ($1, gen_random_uuid(), $2)', [key, username]);
    await add(1, 'Юля Äpfel');
    await expect(add(2, 'юля äPFEL')).rejects.toMatchObject({ constraint: 'users_username_key' });
    const { rows } = await client.query(`SELECT username FROM users WHERE username ILIKE '%ЮЛЯ ä%'`);
    await client.end();
    expect(rows).toEqual([{ username: 'Юля Äpfel' }]);
  });
});

describe('a failed database connection is reported with its cure', () => {
  it('when the database does not exist', async () => {
    expect(await refusal(urlOf({ pathname: 'nowhere' }))).toBe(
      `The database "nowhere" does not exist on ${HOST}: createdb -h ${SERVER.hostname} -p ${SERVER.port || '5432'} -U ${SERVER.username} nowhere, or correct DATABASE_NAME (or DATABASE_URL).`,
    );
  });

  it('when the port is closed or the host is unknown', async () => {
    const line = await refusal('postgres://u:opensesame@127.0.0.1:1/x');
    expect(line).toMatch(/^No PostgreSQL listens on 127\.0\.0\.1:1 \(ECONNREFUSED\): start it, or correct/);
    expect(await refusal('postgres://u:opensesame@nowhere.invalid/x')).toMatch(
      /^The database's host nowhere\.invalid (is unknown|cannot be looked up)/,
    );
  });

  it('but a check with a retry time waits until the server accepts connections', async () => {
    const proxy = createServer((socket) =>
      socket.pipe(connect(Number(SERVER.port || 5432), SERVER.hostname)).pipe(socket),
    );
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    await new Promise((done) => proxy.close(done));
    const url = urlOf({ hostname: '127.0.0.1', port: String(port) });
    expect(await refusal(url)).toMatch(/ECONNREFUSED/);
    const patient = checkDatabase(testConfig(url), url, 20);
    await delay(100); // enough time for a failed first attempt; without one the test proves less but still passes
    proxy.listen(port, '127.0.0.1');
    await patient;
    proxy.close();
  });

  it('when another program listens there without a response', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    expect(await refusal(`postgres://u@127.0.0.1:${port}/x`)).toMatch(
      `The database at 127.0.0.1:${port} cannot be reached (timeout expired): check the network`,
    );
    silent.close();
    for (const socket of sockets) socket.destroy();
  });

  it('when the role is unknown, or its password is wrong or missing, without the password in the line', async () => {
    const lines = [
      await refusal(urlOf({ username: `nobody_${id}`, password: 'opensesame' })),
      await refusal(urlOf({ username: role, password: 'not-the-one' })),
      await refusal(urlOf({ username: role, password: '' })),
    ];
    const [{ trusts }] = (await onServer<{ trusts: boolean }>(
      `SELECT bool_or(auth_method = 'trust') AS trusts FROM pg_hba_file_rules WHERE type LIKE 'host%'`,
    )) as [{ trusts: boolean }];
    if (trusts) expect(lines).toEqual([expect.stringMatching(/refuses the login/), undefined, undefined]);
    else
      expect(lines).toEqual([
        expect.stringMatching(`^${HOST} refuses the password of user "nobody_${id}": correct DATABASE_USER and`),
        expect.stringMatching(`^${HOST} refuses the password of user "${role}"`),
        expect.stringMatching(`^${HOST} wants a password of user "${role}": set DATABASE_PASSWORD`),
      ]);
    expect(lines.join('\n')).not.toMatch(/opensesame|not-the-one/);
  });

  it('when the role may not create tables in the schema', async () => {
    const name = await create('closed', "ENCODING 'UTF8' LOCALE 'C.UTF-8'");
    await onServer(`GRANT CONNECT ON DATABASE ${name} TO ${role}`);
    const url = urlOf({ username: role, password: 'opensesame', pathname: name });
    expect(await refusal(url)).toBeUndefined(); // a role that only serves requests needs no more
    await expect(migrate(url)).rejects.toThrow(
      `User "${role}" lacks a right in database "${name}" (permission denied for schema public): as a superuser, ALTER DATABASE "${name}" OWNER TO "${role}", or GRANT USAGE, CREATE ON SCHEMA public TO "${role}".`,
    );
    await onServer(`ALTER DATABASE ${name} OWNER TO ${role}`); // the cure
    expect((await migrate(url)).length).toBeGreaterThan(10);
    await onServer(`ALTER DATABASE ${name} OWNER TO CURRENT_USER`);
  });
});

describe('TLS of the database connection:', () => {
  it.each(['require', 'verify'])('with DATABASE_SSL=%s the start fails when the server has no TLS', async (ssl) => {
    const [{ on }] = (await onServer<{ on: string }>(`SELECT current_setting('ssl') AS on`)) as [{ on: string }];
    if (on === 'on') return; // an external server with TLS: the next tests cover it
    expect(await refusal(SERVER.href, { DATABASE_SSL: ssl })).toBe(
      `PostgreSQL at ${HOST} does not speak TLS: set ssl=on there, or DATABASE_SSL=off where the network in between is trusted.`,
    );
  });

  it('verify refuses a self-signed certificate, and require accepts it', async () => {
    expect(await refusal(secureUrl, { DATABASE_SSL: 'verify' })).toMatch(
      /^The certificate of 127\.0\.0\.1 is not trusted \(self-signed certificate\): name the file of its authority in NODE_EXTRA_CA_CERTS, or .*DATABASE_SSL=require\.$/,
    );
    expect(await refusal(secureUrl, { DATABASE_SSL: 'require' })).toBeUndefined();
  });
});

it('other errors stay unchanged', () => {
  const bug = new TypeError('x is not a function');
  expect(refusalOf(bug, SERVER.href)).toBe(bug);
  expect([mayPass(bug), mayPass(Object.assign(new Error(), { code: '28P01' }))]).toEqual([false, false]);
  expect(mayPass(Object.assign(new Error(), { code: 'ECONNREFUSED' }))).toBe(true);
});
