// Checks at start that the database meets Holdfast's requirements: version, encoding and case folding.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { AppConfig } from '../config/app-config.js';
import { DatabaseSettings } from './database.settings.js';
import { DatabaseRefusedError, mayPass, refusalOf, targetOf } from './database-refusal.js';
import { clientOptions } from './database.options.js';

/** Locks in PostgreSQL need `idle_session_timeout`. Tested with 15 and 18. */
const MIN_VERSION = 14;

interface Facts {
  version: number;
  encoding: string;
}

/**
 * Throws DatabaseRefusedError with one line that contains the cure. `maxWaitSeconds`: the maximum seconds to wait for a server
 * that is starting at the same time.
 */
export async function checkDatabase(config: AppConfig, url: string, maxWaitSeconds: number): Promise<void> {
  for (let remainingSeconds = maxWaitSeconds; ; remainingSeconds--) {
    try {
      return await checkOnce(config, url);
    } catch (error) {
      if (remainingSeconds <= 0 || !mayPass(error)) throw refusalOf(error, url);
      await delay(1_000);
    }
  }
}

async function checkOnce(config: AppConfig, url: string): Promise<void> {
  const client = new pg.Client(clientOptions(config.get(DatabaseSettings), url));
  client.on('error', () => undefined); // the query also fails when the connection breaks
  try {
    await client.connect();
    const { rows } = await client.query<Facts>(
      `SELECT current_setting('server_version_num')::integer / 10000 AS version, current_setting('server_encoding') AS encoding`,
    );
    const { version, encoding } = rows[0] as Facts;
    const { database } = targetOf(url);
    if (version < MIN_VERSION)
      throw new DatabaseRefusedError(
        `This is PostgreSQL ${version}, Holdfast needs ${MIN_VERSION} or newer: upgrade the server.`,
      );
    if (encoding !== 'UTF8')
      throw new DatabaseRefusedError(
        `The database "${database}" is encoded in ${encoding}, which cannot store every text: ${cure(database)}`,
      );
    if (!(await foldsCase(client)))
      throw new DatabaseRefusedError(
        `The character type of the database "${database}" does not map Ä to ä, or I to i, so that searches miss rows and usernames are not unique: ${cure(database)}`,
      );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** False under `C` and `POSIX`, which fold ASCII only, and under Turkish rules, which do not fit e-mail and usernames. */
async function foldsCase(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ folds: boolean }>(`SELECT lower('IÄЮ') = 'iäю' AND 'ЮЛЯ' ILIKE 'юля' AS folds`);
  return rows[0]?.folds === true;
}

const cure = (database: string): string =>
  `create another with CREATE DATABASE "${database}_utf8" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8', move the data with pg_dump, and name it in DATABASE_NAME (or DATABASE_URL).`;
