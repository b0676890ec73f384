// Files: their metadata. Their bytes are in the storage.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateFiles1763700007000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "files" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "owner_id" bigint NOT NULL,
        "owner_uuid" uuid NOT NULL,
        "name" varchar(255) NOT NULL,
        "mime_type" varchar(100) NOT NULL,
        "size" bigint NOT NULL,
        "sha256" char(64) NOT NULL,
        "bucket" varchar(50) NOT NULL DEFAULT 'default',
        "storage_key" uuid NOT NULL,
        CONSTRAINT "PK_6c16b9093a142e0e7613b04a3d9" PRIMARY KEY ("id"),
        CONSTRAINT "files_owner" FOREIGN KEY ("owner_id") REFERENCES "users" ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_80216965527c9be0babd7ea5bb" ON "files" ("uuid")`);
    await runner.query(
      `CREATE INDEX "files_created" ON "files" ("owner_id", "created_at", "id") WHERE deleted_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "files"`);
  }
}
