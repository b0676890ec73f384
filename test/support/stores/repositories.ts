// The repositories on a database without the rest of the application, with a record of their statements.
import { DataSource, type Logger } from 'typeorm';
import type pg from 'pg';
import { pino } from 'pino';
import { CacheSettings } from '../../../src/shared/cache/cache.settings.js';
import { DatabaseSettings } from '../../../src/shared/database/database.settings.js';
import { SecuritySettings } from '../../../src/shared/security/security.settings.js';
import { TaskSettings } from '../../../src/tasks/tasks.settings.js';
import { Session } from '../../../src/auth/session.entity.js';
import { SessionsRepository } from '../../../src/auth/sessions.repository.js';
import { FileEntity } from '../../../src/files/file.entity.js';
import { FilesRepository } from '../../../src/files/files.repository.js';
import { FileSettings } from '../../../src/files/files.settings.js';
import { FileLink } from '../../../src/files/links/file-link.entity.js';
import { LinksRepository } from '../../../src/files/links/links.repository.js';
import { Blob } from '../../../src/storage/blobs/blob.entity.js';
import { RepositoryTools } from '../../../src/common/repositories/repository-tools.js';
import { SystemClock } from '../../../src/shared/libs/clock.js';
import { createCache } from '../../../src/shared/cache/create-cache.js';
import { servingOptions } from '../../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../../src/shared/database/pipelined-connections.js';
import { SnowflakeIds } from '../../../src/shared/database/snowflake-ids.js';
import { Transaction } from '../../../src/shared/database/transaction.js';
import { Task } from '../../../src/tasks/task.entity.js';
import { TasksRepository } from '../../../src/tasks/tasks.repository.js';
import { User } from '../../../src/users/user.entity.js';
import { UsersRepository } from '../../../src/users/users.repository.js';
import { testConfig } from '../config.js';

export interface Statement {
  text: string;
  values: unknown[];
}

export interface Repositories {
  readonly dataSource: DataSource;
  readonly transaction: Transaction;
  readonly tools: RepositoryTools;
  readonly tasks: TasksRepository;
  readonly users: UsersRepository;
  readonly sessions: SessionsRepository;
  readonly files: FilesRepository;
  readonly links: LinksRepository;
  /** Returns the statements that `work` sent, in order. */
  statementsOf(work: () => Promise<unknown>): Promise<Statement[]>;
  close(): Promise<void>;
}

export async function openRepositories(url: string): Promise<Repositories> {
  const config = testConfig(url);
  let sent: Statement[] = [];

  const nothing = (): void => undefined;
  const logger: Logger = {
    logQuery: (text, values) => void sent.push({ text, values: (values ?? []) as unknown[] }),
    logQueryError: nothing,
    logQuerySlow: nothing,
    logSchemaBuild: nothing,
    logMigration: nothing,
    log: nothing,
  };

  /** Named statements bypass TypeORM. */
  class RecordingTransaction extends Transaction {
    override query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
      sent.push({ text: statement.text, values: statement.values ?? [] });
      return super.query<R>(statement);
    }

    override read<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
      sent.push({ text: statement.text, values: statement.values ?? [] });
      return super.read<R>(statement);
    }
  }

  const entities = [User, Session, Task, Blob, FileEntity, FileLink];
  const dataSource = await new DataSource({
    ...servingOptions(config.get(DatabaseSettings), url),
    entities,
    logging: ['query'],
    logger,
  }).initialize();
  const pipelined = new PipelinedConnections(dataSource);
  const noLog = pino({ enabled: false });
  const transaction = new RecordingTransaction(dataSource, pipelined, noLog);
  const caching = config.get(CacheSettings);
  const cache = createCache(caching, null, dataSource, pipelined, transaction, new SystemClock(), noLog);
  const ids = new SnowflakeIds(pipelined, new SystemClock());
  const tools = new RepositoryTools(transaction, ids, cache, config.get(SecuritySettings), caching);
  return {
    dataSource,
    transaction,
    tools,
    tasks: new TasksRepository(tools, config.get(TaskSettings)),
    users: new UsersRepository(tools),
    sessions: new SessionsRepository(tools),
    files: new FilesRepository(tools),
    links: new LinksRepository(tools, config.get(FileSettings)),
    async statementsOf(work) {
      sent = [];
      await work();
      return sent;
    },
    async close() {
      await cache.onApplicationShutdown();
      await pipelined.onApplicationShutdown();
      await dataSource.destroy();
    },
  };
}
