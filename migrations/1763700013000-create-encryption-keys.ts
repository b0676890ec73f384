// Keys that have ever encrypted files: their ids, and a check value that detects a different key with the same id.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEncryptionKeys1763700013000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "encryption_keys" (
        "id" varchar(32) NOT NULL,
        "fingerprint" char(64) NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT "encryption_keys_pkey" PRIMARY KEY ("id")
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "encryption_keys"`);
  }
}
