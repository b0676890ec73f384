// Blobs (bytes of files, each content stored once), leases of bytes that are being written or removed, and usage by user.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateBlobs1763700008000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "blobs" (
        "id" bigint NOT NULL,
        "storage_key" uuid NOT NULL,
        "key_id" varchar(32),
        "scope" bigint NOT NULL,
        "sha256" char(64) NOT NULL,
        "size" bigint NOT NULL,
        "reference_count" integer NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "verified_at" timestamptz(3),
        "damaged_at" timestamptz(3),
        CONSTRAINT "blobs_pkey" PRIMARY KEY ("id"),
        CONSTRAINT "blobs_storage_key" UNIQUE ("storage_key"),
        CONSTRAINT "blobs_content" UNIQUE ("scope", "sha256"),
        CONSTRAINT "blobs_references" CHECK (reference_count >= 0)
      )`);
    await runner.query(`CREATE INDEX "blobs_verified" ON "blobs" ("verified_at" NULLS FIRST, "id")`);
    await runner.query(`
      CREATE TABLE "storage_leases" (
        "storage_key" uuid NOT NULL,
        "reason" varchar(10) NOT NULL,
        "owner_id" bigint,
        "bucket" varchar(50),
        "reserved_bytes" bigint NOT NULL DEFAULT 0,
        "expires_at" timestamptz(3) NOT NULL,
        CONSTRAINT "storage_leases_pkey" PRIMARY KEY ("storage_key"),
        CONSTRAINT "storage_leases_reason" CHECK (reason IN ('WRITE', 'DELETE', 'QUARANTINE'))
      )`);
    await runner.query(`CREATE INDEX "storage_leases_expiry" ON "storage_leases" ("expires_at")`);
    await runner.query(`
      CREATE TABLE "storage_usages" (
        "owner_id" bigint NOT NULL,
        "bucket" varchar(50) NOT NULL,
        "bytes" bigint NOT NULL DEFAULT 0,
        "files" bigint NOT NULL DEFAULT 0,
        CONSTRAINT "storage_usages_pkey" PRIMARY KEY ("owner_id", "bucket")
      )`);
    await runner.query(`ALTER TABLE "files" ADD "blob_id" bigint, ADD "declared_type" varchar(100)`);
    await runner.query(`
      WITH first AS (
        SELECT DISTINCT ON (owner_id, sha256) id, owner_id, sha256, storage_key, size FROM "files" ORDER BY owner_id, sha256, id
      )
      INSERT INTO "blobs" (id, storage_key, scope, sha256, size, reference_count)
      SELECT id, storage_key, owner_id, sha256, size,
        (SELECT count(*) FROM "files" f WHERE f.owner_id = first.owner_id AND f.sha256 = first.sha256)
      FROM first`);
    await runner.query(`
      INSERT INTO "storage_leases" (storage_key, reason, expires_at)
      SELECT storage_key, 'DELETE', now() FROM "files" WHERE storage_key NOT IN (SELECT storage_key FROM "blobs")`);
    await runner.query(`
      UPDATE "files" f SET blob_id = b.id, declared_type = f.mime_type FROM "blobs" b
      WHERE b.scope = f.owner_id AND b.sha256 = f.sha256`);
    await runner.query(`
      INSERT INTO "storage_usages" (owner_id, bucket, bytes, files)
      SELECT owner_id, coalesce(bucket, ''), sum(size), count(*) FROM "files" WHERE deleted_at IS NULL
      GROUP BY GROUPING SETS ((owner_id), (owner_id, bucket))`);
    await runner.query(`
      ALTER TABLE "files" DROP "storage_key", ALTER "declared_type" SET NOT NULL,
        ADD CONSTRAINT "files_blob" FOREIGN KEY ("blob_id") REFERENCES "blobs" ("id")`);
    await runner.query(`CREATE INDEX "files_blob_id" ON "files" ("blob_id")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "files" ADD "storage_key" uuid`);
    await runner.query(`UPDATE "files" f SET storage_key = b.storage_key FROM "blobs" b WHERE b.id = f.blob_id`);
    await runner.query(`DELETE FROM "files" WHERE storage_key IS NULL`);
    await runner.query(`ALTER TABLE "files" DROP "blob_id", DROP "declared_type", ALTER "storage_key" SET NOT NULL`);
    await runner.query(`DROP TABLE "storage_usages"`);
    await runner.query(`DROP TABLE "storage_leases"`);
    await runner.query(`DROP TABLE "blobs"`);
  }
}
