// Tasks, with one index per order of their list, so that each page starts where the previous page ended.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTasks1763700003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TYPE "task_status" AS ENUM ('TODO', 'IN_PROGRESS', 'DONE')`);
    await runner.query(`
      CREATE TABLE "tasks" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "owner_id" bigint NOT NULL,
        "owner_uuid" uuid NOT NULL,
        "title" varchar(200) NOT NULL,
        "description" text NOT NULL DEFAULT '',
        "status" "task_status" NOT NULL DEFAULT 'TODO',
        "priority" smallint NOT NULL DEFAULT 3,
        "due_at" timestamptz(3),
        CONSTRAINT "PK_8d12ff38fcc62aaba2cab748772" PRIMARY KEY ("id"),
        CONSTRAINT "tasks_owner" FOREIGN KEY ("owner_id") REFERENCES "users" ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_90915808c3fe8ee2e2d67d8b78" ON "tasks" ("uuid")`);
    await runner.query(
      `CREATE INDEX "tasks_created" ON "tasks" ("owner_id", "created_at", "id") WHERE deleted_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "tasks_updated" ON "tasks" ("owner_id", "updated_at", "id") WHERE deleted_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "tasks_priority" ON "tasks" ("owner_id", "priority", "id") WHERE deleted_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "tasks_due" ON "tasks" ("owner_id", coalesce("due_at", 'infinity'), "id") WHERE deleted_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "tasks_status_created" ON "tasks" ("owner_id", "status", "created_at", "id") WHERE deleted_at IS NULL`,
    );
    for (const [name, order] of [
      ['updated', '"updated_at"'],
      ['priority', '"priority"'],
      ['due', `coalesce("due_at", 'infinity')`],
    ])
      await runner.query(
        `CREATE INDEX "tasks_status_${name}" ON "tasks" ("owner_id", "status", ${order}, "id") WHERE deleted_at IS NULL`,
      );
    await runner.query(`CREATE INDEX "tasks_deleted" ON "tasks" ("created_at", "id") WHERE deleted_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "tasks"`);
    await runner.query(`DROP TYPE "task_status"`);
  }
}
