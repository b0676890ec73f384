// Number of tasks per owner, for the quota: a create adds to it, and a trigger follows deletion and restore.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CountTasks1764000031000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "task_counts" (
        "owner_id" bigint NOT NULL PRIMARY KEY REFERENCES "users" ("id"),
        "tasks" integer NOT NULL
      ) WITH (fillfactor = 50)`);
    await runner.query(`
      INSERT INTO "task_counts" SELECT owner_id, count(*) FROM "tasks" WHERE deleted_at IS NULL GROUP BY owner_id`);
    await runner.query(`
      CREATE FUNCTION "count_deleted_task"() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE task_counts SET tasks = greatest(0, tasks + CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END)
        WHERE owner_id = NEW.owner_id;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER "tasks_count_deleted" AFTER UPDATE OF "deleted_at" ON "tasks" FOR EACH ROW
      WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) EXECUTE FUNCTION "count_deleted_task"()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER "tasks_count_deleted" ON "tasks"`);
    await runner.query(`DROP FUNCTION "count_deleted_task"`);
    await runner.query(`DROP TABLE "task_counts"`);
  }
}
