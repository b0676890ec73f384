// Buckets of files, with their own limits, allowed types and visibility.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateBuckets1763700009000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "buckets" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "name" varchar(50) NOT NULL,
        "visibility" varchar(10) NOT NULL DEFAULT 'private',
        "max_file_size" bigint,
        "user_quota" bigint,
        "allowed_types" text array NOT NULL DEFAULT '{}',
        CONSTRAINT "PK_6274370d823fcc89d22efd86580" PRIMARY KEY ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_bb36a0f403762bb01fee251ba9" ON "buckets" ("uuid")`);
    await runner.query(`CREATE UNIQUE INDEX "buckets_name_key" ON "buckets" ("name") WHERE deleted_at IS NULL`);
    // Snowflake ids are above one million from their first second on. The UUID has the form of version 7.
    await runner.query(`
      INSERT INTO "buckets" (id, uuid, name) VALUES (1, '019a9b00-0000-7000-8000-000000000001', 'default')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "buckets"`);
  }
}
