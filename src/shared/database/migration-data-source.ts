// A data source that runs migrations in one process at a time.
import { DataSource, type Migration } from 'typeorm';
import { refusalOf } from './database-refusal.js';

/** An arbitrary constant that must be the same in all versions of Holdfast. */
const MIGRATION_LOCK = 7_238_114_905;

/** TypeORM itself takes no lock: two replicas that start together would both apply the same migration. */
export class MigrationDataSource extends DataSource {
  override runMigrations(options?: Parameters<DataSource['runMigrations']>[0]): Promise<Migration[]> {
    return this.locked(() => super.runMigrations(options));
  }

  override undoLastMigration(options?: Parameters<DataSource['undoLastMigration']>[0]): Promise<void> {
    return this.locked(() => super.undoLastMigration(options));
  }

  private get url(): string {
    return (this.options as { url: string }).url;
  }

  private async locked<T>(work: () => Promise<T>): Promise<T> {
    const runner = this.createQueryRunner();
    try {
      await runner.query('SET lock_timeout = 0'); // the second process waits for the first
      await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
      return await work();
    } catch (error) {
      throw refusalOf(error, this.url);
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
      await runner.release();
    }
  }
}
