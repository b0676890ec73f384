// Index of complete uploads by their file, so that the deletion of a file finds its upload.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexUploadsOfFiles1764000063000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX "uploads_file" ON "uploads" ("file_uuid") WHERE file_uuid IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "uploads_file"`);
  }
}
