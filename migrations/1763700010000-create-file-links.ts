// Signed links to files: expiry, file version and revocation.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateFileLinks1763700010000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "file_links" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "file_id" bigint NOT NULL,
        "file_version" integer NOT NULL,
        "expires_at" timestamptz(3) NOT NULL,
        CONSTRAINT "PK_6808e16bdb1613f8b6d7d0bbd7e" PRIMARY KEY ("id"),
        CONSTRAINT "file_links_file" FOREIGN KEY ("file_id") REFERENCES "files" ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_f5c947f1a765ceee3604078a2e" ON "file_links" ("uuid")`);
    await runner.query(`CREATE INDEX "file_links_created" ON "file_links" ("file_id", "created_at", "id")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "file_links"`);
  }
}
