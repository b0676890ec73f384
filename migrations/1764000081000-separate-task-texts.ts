// The texts of tasks in a table of their own, so that only a change of a text touches its trigram index.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SeparateTaskTexts1764000081000 implements MigrationInterface {
  /**
   * PostgreSQL adds a changed row to every index of its table, so each change of a task, such as a new priority, indexed thousands of
   * trigrams of a long text again: up to half a second. With one row per text, a new title does not index the description, either.
   * Only tasks that are not deleted have rows here, and an empty text has none. No foreign key: it would lock the task for each text,
   * and read this table for each purged task; the triggers follow every change.
   */
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TYPE "task_text_field" AS ENUM ('title', 'description')`);
    await runner.query(`
      CREATE TABLE "task_texts" (
        "owner_id" bigint NOT NULL,
        "task_id" bigint NOT NULL,
        "field" "task_text_field" NOT NULL,
        "text" text NOT NULL,
        PRIMARY KEY ("owner_id", "task_id", "field")
      )`);
    await this.createTriggers(runner);
    await runner.query(`
      INSERT INTO "task_texts" (owner_id, task_id, field, text)
      SELECT owner_id, id, 'title'::task_text_field, title FROM "tasks" WHERE deleted_at IS NULL AND title <> ''
      UNION ALL
      SELECT owner_id, id, 'description', description FROM "tasks" WHERE deleted_at IS NULL AND description <> ''`);
    await runner.query(`DROP INDEX IF EXISTS "tasks_text"`);
    await this.createIndex(runner);
    await runner.query(`ANALYZE "task_texts"`);
  }

  /** One statement adds the texts of all tasks of a create. A change of a task without a new text runs no trigger. */
  private async createTriggers(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION "add_task_texts"() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO task_texts (owner_id, task_id, field, text)
        SELECT owner_id, id, 'title'::task_text_field, title FROM created WHERE deleted_at IS NULL AND title <> ''
        UNION ALL
        SELECT owner_id, id, 'description', description FROM created WHERE deleted_at IS NULL AND description <> '';
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER "tasks_texts_created" AFTER INSERT ON "tasks" REFERENCING NEW TABLE AS created
      FOR EACH STATEMENT EXECUTE FUNCTION "add_task_texts"()`);
    await runner.query(`
      CREATE FUNCTION "replace_task_text"() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        new_text text := CASE TG_ARGV[0] WHEN 'title' THEN NEW.title ELSE NEW.description END;
      BEGIN
        IF NEW.deleted_at IS NULL AND new_text <> '' THEN
          INSERT INTO task_texts (owner_id, task_id, field, text)
          VALUES (NEW.owner_id, NEW.id, TG_ARGV[0]::task_text_field, new_text)
          ON CONFLICT (owner_id, task_id, field) DO UPDATE SET text = excluded.text;
        ELSE
          DELETE FROM task_texts WHERE owner_id = NEW.owner_id AND task_id = NEW.id AND field = TG_ARGV[0]::task_text_field;
        END IF;
        RETURN NULL;
      END $$`);
    for (const field of ['title', 'description'])
      await runner.query(`
        CREATE TRIGGER "tasks_texts_${field}" AFTER UPDATE OF "${field}", "deleted_at" ON "tasks" FOR EACH ROW
        WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) OR OLD.${field} <> NEW.${field})
        EXECUTE FUNCTION "replace_task_text"('${field}')`);
    // A purge deletes only tasks that were deleted before: it runs no trigger, because they have no texts any more.
    await runner.query(`
      CREATE FUNCTION "delete_task_texts"() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'TRUNCATE' THEN
          TRUNCATE task_texts;
        ELSE
          DELETE FROM task_texts WHERE owner_id = OLD.owner_id AND task_id = OLD.id;
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER "tasks_texts_deleted" AFTER DELETE ON "tasks" FOR EACH ROW
      WHEN (OLD.deleted_at IS NULL) EXECUTE FUNCTION "delete_task_texts"()`);
    await runner.query(`
      CREATE TRIGGER "tasks_texts_truncated" AFTER TRUNCATE ON "tasks"
      FOR EACH STATEMENT EXECUTE FUNCTION "delete_task_texts"()`);
  }

  /**
   * The owner in the index (by btree_gin) keeps a search from reading the texts of others. Both extensions are trusted: the
   * database owner may create them. Without them, `q` reads all texts of its owner. No pending list, see 1764000064000.
   */
  private async createIndex(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE EXTENSION IF NOT EXISTS btree_gin;
        CREATE INDEX task_texts_search ON task_texts USING gin (owner_id, text gin_trgm_ops) WITH (fastupdate = off);
      EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE WARNING 'Tasks are searched without an index (%). Create the extensions pg_trgm and btree_gin, then the index task_texts_search.', SQLERRM;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of ['created', 'title', 'description', 'deleted', 'truncated'])
      await runner.query(`DROP TRIGGER "tasks_texts_${name}" ON "tasks"`);
    await runner.query(`DROP FUNCTION "add_task_texts", "replace_task_text", "delete_task_texts"`);
    await runner.query(`DROP TABLE "task_texts"`);
    await runner.query(`DROP TYPE "task_text_field"`);
    await runner.query(`
      DO $$
      BEGIN
        DROP EXTENSION IF EXISTS btree_gin;
      EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
        NULL; -- another role owns it, or something else needs it
      END $$`);
    await runner.query(`
      DO $$
      BEGIN
        CREATE INDEX tasks_text ON tasks USING gin (title gin_trgm_ops, description gin_trgm_ops) WITH (fastupdate = off)
        WHERE deleted_at IS NULL;
      EXCEPTION WHEN undefined_object THEN
        RAISE WARNING 'Tasks are searched without an index (%).', SQLERRM;
      END $$`);
  }
}
