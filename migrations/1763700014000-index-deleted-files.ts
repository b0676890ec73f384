// Index of deleted files that still have their bytes, read every five minutes and before a bucket is deleted.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexDeletedFiles1763700014000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "files_deleted" ON "files" ("deleted_at") WHERE deleted_at IS NOT NULL AND blob_id IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "files_deleted"`);
  }
}
