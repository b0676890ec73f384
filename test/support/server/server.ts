// The real server on a free port with its own database, for requests of the e2e suites over HTTP.
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import { createApp } from '../../../src/app.setup.js';
import { Clock } from '../../../src/shared/libs/clock.js';
import { Lifecycle } from '../../../src/shared/lifecycle/lifecycle.js';
import { createLogger } from '../../../src/shared/logging/logger.js';
import { Api, type Tokens } from '../http/api.js';
import { testConfig } from '../config.js';
import { cloneDatabase } from '../engines/database.js';

export const PASSWORD = 'correct horse battery staple';

/** A logged-in user. */
export interface Person extends Tokens {
  api: Api;
  email: string;
}

export class TestServer {
  readonly api: Api;
  private registered = 0;

  constructor(
    readonly app: NestFastifyApplication,
    readonly databaseUrl: string,
    /** Log lines in their output format. */
    readonly log: readonly string[],
    private readonly drop: () => Promise<void>,
  ) {
    this.api = new Api(`http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`);
  }

  get url(): string {
    return this.api.url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Registers a new user with a unique e-mail address. */
  async registerUser(name = 'Ada'): Promise<Person> {
    const email = `${name.toLowerCase()}.${++this.registered}@example.com`;
    const { status, body } = await this.api.post<Tokens>('/api/auth/register', { email, password: PASSWORD, name });
    if (status !== 201) throw new Error(`Registration answered ${status}: ${JSON.stringify(body)}`);
    return { ...body, email, api: this.api.as(body.accessToken) };
  }

  async makeAdmin(name = 'Root'): Promise<Person> {
    const person = await this.registerUser(name);
    await this.sql(`UPDATE users SET role = 'ADMIN' WHERE uuid = $1`, person.user.id);
    return person;
  }

  async login(email: string, password = PASSWORD): Promise<Person> {
    const { status, body } = await this.api.post<Tokens>('/api/auth/login', { email, password });
    if (status !== 200) throw new Error(`Login answered ${status}: ${JSON.stringify(body)}`);
    return { ...body, email, api: this.api.as(body.accessToken) };
  }

  /** Runs a statement on a separate connection. */
  async sql<Row extends pg.QueryResultRow>(text: string, ...values: unknown[]): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** Sets the clock of the server ahead; the clock of PostgreSQL stays. */
  advanceClock(ms: number): void {
    const clock = this.app.get(Clock);
    const before = clock.now.bind(clock);
    clock.now = () => before() + ms;
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.drop();
  }
}

/**
 * `env`: variables as text, as in the environment of a process. `urlFor` receives the URL of the owner of the database, and returns
 * the one that the server uses.
 */
export async function startServer(
  env: Record<string, string> = {},
  urlFor: (ownerUrl: string) => Promise<string> = (url) => Promise.resolve(url),
): Promise<TestServer> {
  const database = await cloneDatabase();
  const url = await urlFor(database.url);
  const config = testConfig(url, { LOG_FORMAT: 'json', ...env });
  const log: string[] = [];
  const logger = createLogger(config, { write: (line: string) => void log.push(line) });
  const app = await createApp(config, url, logger);
  await app.listen(0, '127.0.0.1');
  await app.startAllMicroservices();
  app.get(Lifecycle).serve();
  return new TestServer(app, database.url, log, () => database.drop());
}
