// Accounts. E-mail and username are unique among accounts that are not deleted, so a deleted account frees its names.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUsers1763700001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TYPE "user_role" AS ENUM ('ADMIN', 'USER')`);
    await runner.query(`
      CREATE TABLE "users" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "email" varchar(254),
        "password_hash" varchar(255),
        "name" varchar(100),
        "username" varchar(50),
        "age" smallint,
        "hobbies" text[] NOT NULL DEFAULT '{}',
        "role" "user_role" NOT NULL DEFAULT 'USER',
        CONSTRAINT "PK_a3ffb1c0c8416b9fc6f907b7433" PRIMARY KEY ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_951b8f1dfc94ac1d0301a14b7e" ON "users" ("uuid")`);
    await runner.query(`CREATE UNIQUE INDEX "users_email_key" ON "users" ("email") WHERE deleted_at IS NULL`);
    await runner.query(
      `CREATE UNIQUE INDEX "users_username_key" ON "users" (lower("username")) WHERE deleted_at IS NULL`,
    );
    await runner.query(`CREATE INDEX "users_created" ON "users" ("created_at", "id")`);
    await runner.query(`CREATE INDEX "users_updated" ON "users" ("updated_at", "id")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "users"`);
    await runner.query(`DROP TYPE "user_role"`);
  }
}
