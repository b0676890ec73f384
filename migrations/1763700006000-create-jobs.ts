// Background jobs, counts of their outcomes per minute, and schedules.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const WAITING = `status IN ('QUEUED', 'RETRYING')`;

export class CreateJobs1763700006000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TYPE "job_status" AS ENUM ('QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED')`,
    );
    // Each row is updated three times within a short life, so pages keep free space, and vacuum runs often.
    await runner.query(`
      CREATE TABLE "jobs" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "type" varchar(100) NOT NULL,
        "queue" varchar(100) NOT NULL,
        "payload" jsonb NOT NULL,
        "status" "job_status" NOT NULL DEFAULT 'QUEUED',
        "priority" smallint NOT NULL DEFAULT 3,
        "run_at" timestamptz(3) NOT NULL DEFAULT now(),
        "announce_at" timestamptz(3),
        "attempt" integer NOT NULL DEFAULT 0,
        "max_attempts" integer NOT NULL,
        "crashes" smallint NOT NULL DEFAULT 0,
        "alone" boolean NOT NULL DEFAULT false,
        "lease_until" timestamptz(3),
        "worker" uuid,
        "unique_key" varchar(200),
        "progress" smallint NOT NULL DEFAULT 0,
        "result" jsonb,
        "errors" jsonb NOT NULL DEFAULT '[]',
        "reason" varchar(50),
        "finished_at" timestamptz(3),
        "owner_id" bigint,
        "owner_uuid" uuid,
        "request_id" varchar(64),
        CONSTRAINT "PK_cf0a6c42b72fcc7f7c237def345" PRIMARY KEY ("id"),
        CONSTRAINT "jobs_owner_user" FOREIGN KEY ("owner_id") REFERENCES "users" ("id")
      ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.05)`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_2ad99c480880ac224b7e39338b" ON "jobs" ("uuid")`);
    await runner.query(`CREATE INDEX "jobs_due" ON "jobs" ("queue", "priority", "run_at", "id") WHERE ${WAITING}`);
    await runner.query(
      `CREATE INDEX "jobs_announce" ON "jobs" ("announce_at") WHERE announce_at IS NOT NULL AND ${WAITING}`,
    );
    await runner.query(`CREATE INDEX "jobs_lease" ON "jobs" ("lease_until") WHERE status = 'RUNNING'`);
    await runner.query(
      `CREATE UNIQUE INDEX "jobs_unique" ON "jobs" ("type", "unique_key")
       WHERE unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING', 'RETRYING')`,
    );
    await runner.query(`CREATE INDEX "jobs_owner" ON "jobs" ("owner_id", "id") WHERE owner_id IS NOT NULL`);
    await runner.query(`CREATE INDEX "jobs_dead" ON "jobs" ("finished_at", "id") WHERE status = 'FAILED'`);

    await runner.query(`
      CREATE TABLE "job_counts" (
        "queue" varchar(100) NOT NULL,
        "minute" timestamptz NOT NULL,
        "succeeded" integer NOT NULL DEFAULT 0,
        "retried" integer NOT NULL DEFAULT 0,
        "dead" integer NOT NULL DEFAULT 0,
        PRIMARY KEY ("queue", "minute")
      )`);
    await runner.query(`
      CREATE TABLE "schedules" (
        "name" varchar(100) NOT NULL PRIMARY KEY,
        "cron" varchar(100) NOT NULL,
        "time_zone" varchar(50) NOT NULL,
        "next_run_at" timestamptz(3),
        "last_run_at" timestamptz(3),
        "last_job" uuid
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "schedules"`);
    await runner.query(`DROP TABLE "job_counts"`);
    await runner.query(`DROP TABLE "jobs"`);
    await runner.query(`DROP TYPE "job_status"`);
  }
}
