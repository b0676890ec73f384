// Reports which migrations of this build the database lacks.
import { readdir } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { MIGRATIONS_DIR } from './database.options.js';

@Injectable()
export class MigrationStatus {
  constructor(private readonly dataSource: DataSource) {}

  /** Returns the names of the migrations that the database lacks. */
  async pending(): Promise<string[]> {
    const known = (await readdir(MIGRATIONS_DIR))
      .map((file) => /^(\d+)-[\w-]+\.(?:ts|js)$/.exec(file))
      .filter((match) => match !== null);
    const applied = await this.applied();
    return known.filter((match) => !applied.has(match[1] as string)).map((match) => match[0].replace(/\.\w+$/, ''));
  }

  /** Returns the timestamps of the applied migrations; empty for a database that was never migrated. */
  private async applied(): Promise<Set<string>> {
    const [{ there }] = await this.dataSource.query<[{ there: boolean }]>(
      `SELECT to_regclass('migration') IS NOT NULL AS there`,
    );
    if (!there) return new Set();
    const rows = await this.dataSource.query<Array<{ timestamp: string }>>('SELECT timestamp FROM migration');
    return new Set(rows.map((row) => row.timestamp));
  }
}
