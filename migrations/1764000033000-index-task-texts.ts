// Trigram indexes of titles and descriptions, for the filter `q`, if pg_trgm is available and permitted.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexTaskTexts1764000033000 implements MigrationInterface {
  /** pg_trgm is a trusted extension: the database owner may create it. Without it, `q` reads all tasks of its owner. */
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX tasks_text ON tasks USING gin (title gin_trgm_ops, description gin_trgm_ops) WHERE deleted_at IS NULL;
      EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE WARNING 'Tasks are searched without an index (%). Create the extension pg_trgm, then the index tasks_text.', SQLERRM;
      END $$`);
  }

  /** Drops the extension if this role owns it and nothing else needs it. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        DROP INDEX IF EXISTS tasks_text;
        DROP EXTENSION IF EXISTS pg_trgm;
      EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
        DROP INDEX IF EXISTS tasks_text;
      END $$`);
  }
}
