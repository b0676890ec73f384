// Indexes of finished jobs by owner (without one: by type) and time, so that the trim finds owners with too many.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const FINISHED = `finished_at IS NOT NULL AND (status <> 'FAILED' OR deleted_at IS NOT NULL)`;

export class IndexRetainedJobs1764000071000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "jobs_retained" ON "jobs" ("owner_id", "finished_at", "id") WHERE owner_id IS NOT NULL AND ${FINISHED}`,
    );
    await runner.query(
      `CREATE INDEX "jobs_retained_of_system" ON "jobs" ("type", "finished_at", "id") WHERE owner_id IS NULL AND ${FINISHED}`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "jobs_retained_of_system"`);
    await runner.query(`DROP INDEX "jobs_retained"`);
  }
}
