// An index of the few jobs that must run alone, so that the scan for due jobs does not read the whole backlog for them.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexSuspectJobs1764000074000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "jobs_suspect" ON "jobs" ("queue", "turn") WHERE status IN ('QUEUED', 'RETRYING') AND crashes >= 2`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "jobs_suspect"`);
  }
}
