// The audit log: entries of who did what, which are only added.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAuditLog1763700005000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "audit_log" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "actor_uuid" uuid NOT NULL,
        "action" varchar(50) NOT NULL,
        "details" jsonb NOT NULL,
        "request_id" varchar(64),
        CONSTRAINT "PK_07fefa57f7f5ab8fc3f52b3ed0b" PRIMARY KEY ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_ebe4cf13fa23c7367e0d3b6e9b" ON "audit_log" ("uuid")`);
    await runner.query(`CREATE INDEX "audit_log_created" ON "audit_log" ("created_at", "id")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "audit_log"`);
  }
}
