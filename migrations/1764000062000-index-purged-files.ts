// Index of files whose bytes are purged, by key, so that the cleanup finds them without reading the other files.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexPurgedFiles1764000062000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "files_purged" ON "files" ("id") WHERE deleted_at IS NOT NULL AND blob_id IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "files_purged"`);
  }
}
