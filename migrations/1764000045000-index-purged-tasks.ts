// Deleted tasks in the order of their keys, as the cleanup looks for those that are to go for good, past all living ones.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexPurgedTasks1764000045000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX "tasks_purge" ON "tasks" ("id") WHERE deleted_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "tasks_purge"`);
  }
}
