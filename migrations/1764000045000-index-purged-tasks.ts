// Index of deleted tasks by key, so that the cleanup finds those to purge without reading the other tasks.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexPurgedTasks1764000045000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX "tasks_purge" ON "tasks" ("id") WHERE deleted_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "tasks_purge"`);
  }
}
