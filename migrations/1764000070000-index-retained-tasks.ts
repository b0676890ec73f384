// Index of deleted tasks by owner and time, so that the trim finds owners with too many without reading the table.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexRetainedTasks1764000070000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "tasks_retained" ON "tasks" ("owner_id", "deleted_at", "id") WHERE deleted_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "tasks_retained"`);
  }
}
