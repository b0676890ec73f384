// Thumbnails of image blobs, one per size, with their bytes in the storage; and a mark of blobs that can have none.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateThumbnails1763700012000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "thumbnails" (
        "blob_id" bigint NOT NULL,
        "size" integer NOT NULL,
        "storage_key" uuid NOT NULL,
        "key_id" varchar(32),
        "sha256" char(64) NOT NULL,
        "bytes" bigint NOT NULL,
        "width" integer NOT NULL,
        "height" integer NOT NULL,
        CONSTRAINT "thumbnails_pkey" PRIMARY KEY ("blob_id", "size"),
        CONSTRAINT "thumbnails_storage_key" UNIQUE ("storage_key"),
        CONSTRAINT "thumbnails_blob" FOREIGN KEY ("blob_id") REFERENCES "blobs" ("id")
      )`);
    await runner.query(`ALTER TABLE "blobs" ADD "thumbnails_refused" boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "blobs" DROP "thumbnails_refused"`);
    await runner.query(`DROP TABLE "thumbnails"`);
  }
}
