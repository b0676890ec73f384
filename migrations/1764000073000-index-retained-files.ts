// Indexes of deleted files, links and complete uploads by owner and time, so that the trims find users with too many.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexRetainedFiles1764000073000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "files_retained" ON "files" ("owner_id", "deleted_at", "id") INCLUDE ("size", "blob_id") WHERE deleted_at IS NOT NULL`,
    );
    await runner.query(`CREATE INDEX "file_links_retained" ON "file_links" ("owner_id", "id")`);
    await runner.query(
      `CREATE INDEX "uploads_retained" ON "uploads" ("owner_id", "expires_at", "id") WHERE file_uuid IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "uploads_retained"`);
    await runner.query(`DROP INDEX "file_links_retained"`);
    await runner.query(`DROP INDEX "files_retained"`);
  }
}
