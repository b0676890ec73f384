// Index for the list of a user's open uploads.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexOpenUploads1764000061000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "uploads_open" ON "uploads" ("owner_id", "expires_at", "id") WHERE file_uuid IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "uploads_open"`);
  }
}
