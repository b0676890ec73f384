// Encoding of text files, so that a download does not declare everything as UTF-8. Existing text files are UTF-8.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddFilesCharset1764000060000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "files" ADD "charset" varchar(10) DEFAULT 'utf-8'`);
    await runner.query(`ALTER TABLE "files" ALTER "charset" DROP DEFAULT`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "files" DROP "charset"`);
  }
}
