// One-time tickets for WebSockets: any process can redeem them, and none is of use after a crash.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateRealtimeTickets1764000090000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE UNLOGGED TABLE "realtime_tickets" (
        "hash" bytea NOT NULL PRIMARY KEY,
        "user_id" uuid NOT NULL,
        "session_id" uuid NOT NULL,
        "issued_at" bigint NOT NULL,
        "expires_at" bigint NOT NULL,
        "ends_at" timestamptz(3) NOT NULL
      )`);
    await runner.query(`CREATE INDEX "realtime_tickets_end" ON "realtime_tickets" ("ends_at")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "realtime_tickets"`);
  }
}
