// Trims the events of one owner by its index, however many events the log has.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class TrimEvents1764000083000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // A function: as a part of the statement that numbers events, PostgreSQL read the whole log for it when it had a million.
    await runner.query(`
      CREATE FUNCTION "trim_events"(owner bigint, through bigint) RETURNS integer LANGUAGE plpgsql AS $$
      DECLARE
        deleted integer;
      BEGIN
        DELETE FROM event_log WHERE owner_id = owner AND sequence <= through;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        RETURN deleted;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION "trim_events"`);
  }
}
