// Bulk access to the users table: pages of plain rows, and import batches. No entities: they would block the event loop.
import { Injectable } from '@nestjs/common';
import type { Role } from '../common/access/permissions.js';
import { SnowflakeIds } from '../shared/database/snowflake-ids.js';
import { Transaction } from '../shared/database/transaction.js';
import { eventOrigin, originAt } from '../shared/events/record-events.js';
import type { ImportedUser } from './import/import-row.js';
import type { UserTraits } from './statistics/user-count.js';
import { UsersRepository } from './users.repository.js';

/** Rows per page: copying a page to a thread, or writing it as CSV, takes the process some milliseconds. */
const COUNTED_PAGE = 1_000;
const EXPORTED_PAGE = 500;
/** Number of tries: the user that holds a name may be deleted between two statements. */
const MAX_TRIES = 5;

export interface ExportedUser {
  uuid: string;
  email: string | null;
  username: string | null;
  name: string | null;
  age: number | null;
  hobbies: string[];
  role: Role;
  createdAt: Date;
  updatedAt: Date;
}

/** Reason why a row of an import was not added. */
export type Taken = 'EMAIL_TAKEN' | 'USERNAME_TAKEN';

interface Holders {
  uuid: string;
  isOwn: boolean;
  hasEmail: boolean;
  hasUsername: boolean;
}

@Injectable()
export class UsersBulkRepository {
  constructor(
    private readonly transaction: Transaction,
    private readonly ids: SnowflakeIds,
    private readonly users: UsersRepository,
  ) {}

  /** Returns the number of users that are not deleted. */
  async count(): Promise<number> {
    const text = 'SELECT count(*)::integer AS users FROM users WHERE deleted_at IS NULL';
    const [row] = await this.transaction.query<{ users: number }>({ name: 'users-count', text });
    return row?.users ?? 0;
  }

  /** Yields the counted columns of each user that is not deleted. */
  pagesToCount(): AsyncGenerator<UserTraits[]> {
    const columns = `to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, role, age, hobbies,
      password_hash IS NOT NULL AS "hasPassword", email IS NOT NULL AS "hasEmail"`;
    return this.pages<UserTraits>('users-to-count', columns, COUNTED_PAGE);
  }

  pagesToExport(): AsyncGenerator<ExportedUser[]> {
    const columns = `uuid, email, username, name, age, hobbies, role, created_at AS "createdAt", updated_at AS "updatedAt"`;
    return this.pages<ExportedUser>('users-to-export', columns, EXPORTED_PAGE);
  }

  /**
   * Adds users in their order, except those whose UUID, e-mail or username exists already. So a second attempt, or two at
   * once, may add the same rows. Returns the rejected ones by UUID; all others are in the table now.
   */
  async addAll(users: readonly ImportedUser[]): Promise<Map<string, Taken>> {
    const taken = new Map<string, Taken>();
    let left = users;
    for (let attempt = 1; left.length > 0; attempt++) {
      if (attempt > MAX_TRIES) throw new Error(`Names of an import were taken and free ${MAX_TRIES} times.`);
      const added = await this.insert(left);
      left = left.filter(({ uuid }) => !added.has(uuid));
      const free = left.length > 0 ? await this.explain(left, taken) : new Set();
      left = left.filter(({ uuid }) => free.has(uuid));
    }
    return taken;
  }

  /**
   * Updates PostgreSQL's statistics after an import. Until then (up to a minute), every page of an export would sort the
   * whole table: 140 ms with 100,000 users instead of less than 1 ms.
   */
  async noteGrowth(): Promise<void> {
    await this.transaction.query({ text: 'ANALYZE (SKIP_LOCKED) users' });
  }

  /** Inserts by id, so that the first of two equal names in a batch is added. */
  private async insert(users: readonly ImportedUser[]): Promise<Set<string>> {
    const rows: Array<ImportedUser & { id: string }> = [];
    for (const user of users) rows.push({ ...user, id: await this.ids.next() });
    const statement = {
      name: 'users-add-all',
      text: `WITH inserted AS (
          INSERT INTO users (id, uuid, email, username, name, age, hobbies)
          SELECT id, uuid, email, username, name, age, hobbies FROM jsonb_to_recordset($1)
            AS new (id bigint, uuid uuid, email varchar, username varchar, name varchar, age smallint, hobbies text[])
          ORDER BY id ON CONFLICT DO NOTHING RETURNING users.*
        ), recorded AS (${this.users.recordCreated('inserted', originAt(2))}) SELECT uuid FROM inserted`,
      values: [JSON.stringify(rows), ...eventOrigin()],
    };
    // In a transaction, because it retries: two imports of the same names in different order may deadlock.
    const added = await this.transaction.run(() => this.transaction.query<{ uuid: string }>(statement));
    return new Set(added.map(({ uuid }) => uuid));
  }

  /**
   * Finds why each user was not inserted, and returns the UUIDs of those whose names are free again. A statement of its own: it
   * sees the rows that the insert has waited for. With EXISTS instead of joins, PostgreSQL would read the whole table three
   * times: 300 ms with 100,000 users instead of 3 ms.
   */
  private async explain(users: readonly ImportedUser[], taken: Map<string, Taken>): Promise<Set<string>> {
    const rows = await this.transaction.query<Holders & Record<string, unknown>>({
      name: 'users-who-holds',
      text: `SELECT new.uuid, own.found IS NOT NULL AS "isOwn", email.found IS NOT NULL AS "hasEmail",
          username.found IS NOT NULL AS "hasUsername"
        FROM unnest($1::uuid[], $2::varchar[], $3::varchar[]) AS new (uuid, email, username)
        LEFT JOIN LATERAL (SELECT true AS found FROM users WHERE uuid = new.uuid LIMIT 1) AS own ON true
        LEFT JOIN LATERAL (SELECT true AS found FROM users
          WHERE email = new.email AND deleted_at IS NULL LIMIT 1) AS email ON true
        LEFT JOIN LATERAL (SELECT true AS found FROM users
          WHERE lower(username) = lower(new.username) AND deleted_at IS NULL LIMIT 1) AS username ON true`,
      values: [users.map(({ uuid }) => uuid), users.map(({ email }) => email), users.map(({ username }) => username)],
    });
    const free = new Set<string>();
    for (const { uuid, isOwn, hasEmail, hasUsername } of rows) {
      if (isOwn) continue; // an earlier attempt added it
      if (hasEmail || hasUsername) taken.set(uuid, hasEmail ? 'EMAIL_TAKEN' : 'USERNAME_TAKEN');
      else free.add(uuid);
    }
    return free;
  }

  private async *pages<R extends object>(name: string, columns: string, limit: number): AsyncGenerator<R[]> {
    for (let last = '0'; ;) {
      const rows = await this.transaction.query<R & { id: string }>({
        name,
        text: `SELECT id, ${columns} FROM users WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2`,
        values: [last, limit],
      });
      const end = rows.at(-1);
      if (!end) return;
      yield rows;
      last = end.id;
    }
  }
}
