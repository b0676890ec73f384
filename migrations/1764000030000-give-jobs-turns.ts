// Turns in the queues: waiting jobs are served in the order of `turn`, in which owners take turns.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const WAITING = `status IN ('QUEUED', 'RETRYING')`;

export class GiveJobsTurns1764000030000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "jobs" ADD "turn" timestamptz(3)`);
    // Waiting jobs keep their order.
    await runner.query(`UPDATE "jobs" SET turn = run_at WHERE ${WAITING} AND run_at <= now()`);
    await runner.query(`DROP INDEX "jobs_due"`);
    await runner.query(
      `CREATE INDEX "jobs_due" ON "jobs" ("queue", "priority", "turn", "id") INCLUDE ("run_at") WHERE ${WAITING}`,
    );
    await runner.query(`CREATE INDEX "jobs_later" ON "jobs" ("queue", "run_at") WHERE turn IS NULL AND ${WAITING}`);
    await runner.query(
      `CREATE INDEX "jobs_line" ON "jobs" ("owner_id", "queue", "priority", "turn") WHERE owner_id IS NOT NULL AND ${WAITING}`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "jobs_line"`);
    await runner.query(`DROP INDEX "jobs_later"`);
    await runner.query(`DROP INDEX "jobs_due"`);
    await runner.query(`CREATE INDEX "jobs_due" ON "jobs" ("queue", "priority", "run_at", "id") WHERE ${WAITING}`);
    await runner.query(`ALTER TABLE "jobs" DROP COLUMN "turn"`);
  }
}
