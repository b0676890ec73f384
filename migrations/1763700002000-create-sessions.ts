// Sessions: logins on devices, each with a chain of refresh tokens.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSessions1763700002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "sessions" (
        "id" bigint NOT NULL,
        "uuid" uuid NOT NULL,
        "created_at" timestamptz(3) NOT NULL DEFAULT now(),
        "updated_at" timestamptz(3) NOT NULL DEFAULT now(),
        "deleted_at" timestamptz(3),
        "version" integer NOT NULL DEFAULT 1,
        "user_id" bigint NOT NULL,
        "salt" varchar(43) NOT NULL,
        "generation" integer NOT NULL DEFAULT 1,
        "rotated_at" timestamptz(3) NOT NULL,
        "expires_at" timestamptz(3) NOT NULL,
        "user_agent" varchar(200) NOT NULL DEFAULT '',
        "ip" inet,
        "ended_by" varchar(20),
        CONSTRAINT "PK_3238ef96f18b355b671619111bc" PRIMARY KEY ("id"),
        CONSTRAINT "sessions_user" FOREIGN KEY ("user_id") REFERENCES "users" ("id")
      )`);
    await runner.query(`CREATE UNIQUE INDEX "IDX_faf29798ea59ac7f07b1be6f79" ON "sessions" ("uuid")`);
    await runner.query(
      `CREATE INDEX "sessions_of_user" ON "sessions" ("user_id", "created_at", "id") WHERE deleted_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "sessions"`);
  }
}
