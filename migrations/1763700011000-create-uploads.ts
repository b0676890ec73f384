// Resumable uploads: future files, their received bytes and their locks.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUploads1763700011000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "uploads" (
        "id" uuid NOT NULL,
        "owner_id" bigint NOT NULL,
        "bucket" varchar(50) NOT NULL,
        "metadata" text NOT NULL,
        "size" bigint NOT NULL,
        "received" bigint NOT NULL DEFAULT 0,
        "storage_key" uuid NOT NULL,
        "file_uuid" uuid,
        "expires_at" timestamptz(3) NOT NULL,
        CONSTRAINT "uploads_pkey" PRIMARY KEY ("id"),
        CONSTRAINT "uploads_owner" FOREIGN KEY ("owner_id") REFERENCES "users" ("id"),
        CONSTRAINT "uploads_received" CHECK (received BETWEEN 0 AND size)
      )`);
    await runner.query(`CREATE INDEX "uploads_expiry" ON "uploads" ("expires_at")`);
    await runner.query(`
      CREATE TABLE "upload_segments" (
        "upload_id" uuid NOT NULL,
        "start" bigint NOT NULL,
        "size" bigint NOT NULL,
        "storage_key" uuid NOT NULL,
        "key_id" varchar(32),
        CONSTRAINT "upload_segments_pkey" PRIMARY KEY ("upload_id", "start"),
        CONSTRAINT "upload_segments_storage_key" UNIQUE ("storage_key"),
        CONSTRAINT "upload_segments_upload" FOREIGN KEY ("upload_id") REFERENCES "uploads" ("id")
      )`);
    await runner.query(`
      CREATE TABLE "upload_locks" (
        "upload_id" uuid NOT NULL,
        "holder" uuid NOT NULL,
        "expires_at" timestamptz(3) NOT NULL,
        CONSTRAINT "upload_locks_pkey" PRIMARY KEY ("upload_id")
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "upload_locks"`);
    await runner.query(`DROP TABLE "upload_segments"`);
    await runner.query(`DROP TABLE "uploads"`);
  }
}
