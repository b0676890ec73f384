// Adds the password generation, which cookies of known devices contain so that a new password ends them, and a device count.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPasswordGenerations1764000041000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE "users"
        ADD COLUMN "password_generation" integer NOT NULL DEFAULT 1,
        ADD COLUMN "device_count" integer NOT NULL DEFAULT 0`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "users" DROP COLUMN "device_count", DROP COLUMN "password_generation"`);
  }
}
