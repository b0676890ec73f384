// Adds the owner to links, so that the links of an owner can be counted. Null only when the previous server version made it.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddOwnersToFileLinks1764000032000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "file_links" ADD "owner_id" bigint`);
    await runner.query(`
      UPDATE "file_links" SET owner_id = files.owner_id FROM "files" WHERE files.id = file_links.file_id`);
    await runner.query(`
      ALTER TABLE "file_links" ADD CONSTRAINT "file_links_owner" FOREIGN KEY ("owner_id") REFERENCES "users" ("id")`);
    await runner.query(`
      CREATE INDEX "file_links_of_owner" ON "file_links" ("owner_id", "expires_at") WHERE deleted_at IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "file_links_of_owner"`);
    await runner.query(`ALTER TABLE "file_links" DROP COLUMN "owner_id"`);
  }
}
