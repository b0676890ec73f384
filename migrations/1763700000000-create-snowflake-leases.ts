// Leases of instance numbers for snowflake ids: the holder of each, and the time until which it may create ids.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSnowflakeLeases1763700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "snowflake_lease" (
        "instance_id" smallint PRIMARY KEY CHECK ("instance_id" BETWEEN 0 AND 4095),
        "holder" uuid,
        "reserved_ms" bigint NOT NULL DEFAULT 0,
        "lease_until" timestamptz NOT NULL DEFAULT '-infinity'
      )`);
    await runner.query(`INSERT INTO "snowflake_lease" ("instance_id") SELECT generate_series(0, 4095)`);
    await runner.query(`CREATE INDEX "snowflake_lease_until" ON "snowflake_lease" ("lease_until")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "snowflake_lease"`);
  }
}
