// Index of dead letters by owner, so that they are counted without reading the owner's other jobs.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexDeadLettersOfOwners1764000046000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "jobs_dead_of_owner" ON "jobs" ("owner_id") WHERE owner_id IS NOT NULL AND status = 'FAILED' AND deleted_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "jobs_dead_of_owner"`);
  }
}
