// Makes every write of a task index its own text. With a pending list, the one insert that overflows it indexes for all others.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexTaskTextsAtOnce1764000064000 implements MigrationInterface {
  /** A list that some users fill with random text takes minutes to clean, and an innocent insert would run into its timeout. */
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        IF to_regclass('tasks_text') IS NOT NULL THEN
          ALTER INDEX tasks_text SET (fastupdate = off);
          PERFORM gin_clean_pending_list('tasks_text');
        END IF;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER INDEX IF EXISTS tasks_text RESET (fastupdate)');
  }
}
