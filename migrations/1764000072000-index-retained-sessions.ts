// Index of ended sessions by user and time, so that the trim finds users with too many without reading the table.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexRetainedSessions1764000072000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "sessions_retained" ON "sessions" ("user_id", "deleted_at", "id") WHERE deleted_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "sessions_retained"`);
  }
}
