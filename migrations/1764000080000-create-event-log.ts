// The event log: recorded events wait in new_events until the sequencer numbers them for their owner.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEventLog1764000080000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // A queue: rows stay for some 20 ms, so vacuum must follow the number of changes, not a share of the rows.
    await runner.query(`
      CREATE TABLE "new_events" (
        "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        "at" timestamptz(3) NOT NULL DEFAULT now(),
        "name" varchar(50) NOT NULL,
        "is_published" boolean NOT NULL,
        "is_audited" boolean NOT NULL,
        "owner_id" bigint,
        "subject_id" uuid,
        "actor_id" uuid,
        "request_id" varchar(64),
        "address" varchar(45),
        "data" json NOT NULL
      ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`);
    await runner.query(`
      CREATE TABLE "event_heads" (
        "owner_id" bigint NOT NULL PRIMARY KEY,
        "sequence" bigint NOT NULL
      ) WITH (fillfactor = 50)`);
    await runner.query(`
      CREATE TABLE "event_log" (
        "owner_id" bigint NOT NULL,
        "sequence" bigint NOT NULL,
        "at" timestamptz(3) NOT NULL,
        "name" varchar(50) NOT NULL,
        "subject_id" uuid,
        "actor_id" uuid,
        "request_id" varchar(64),
        "data" json NOT NULL,
        "numbered_at" timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY ("owner_id", "sequence", "numbered_at")
      ) PARTITION BY RANGE ("numbered_at")`);
    // Partitions by day (UTC) for today and two days more; drops those whose events are all older than the retention.
    await runner.query(`
      CREATE FUNCTION "keep_event_partitions"(retention_days integer) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        today date := (now() AT TIME ZONE 'UTC')::date;
        day date;
        old text;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('events:partitions', 0));
        FOR day IN SELECT today + n FROM generate_series(0, 2) AS n LOOP
          EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF event_log FOR VALUES FROM (%L) TO (%L)',
            'event_log_' || to_char(day, 'YYYYMMDD'), day::text || ' 00:00+00', (day + 1)::text || ' 00:00+00');
        END LOOP;
        FOR old IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'event_log'::regclass
            AND c.relname < 'event_log_' || to_char(today - retention_days, 'YYYYMMDD') LOOP
          EXECUTE format('DROP TABLE %I', old);
        END LOOP;
      END $$`);
    await runner.query(`SELECT keep_event_partitions(7)`);
    // The identity of the cluster, its timeline (which a promotion or a restore to a point in time changes) and the database.
    await runner.query(`
      CREATE FUNCTION "event_epoch"() RETURNS text LANGUAGE sql STABLE AS $$
        SELECT substr(md5(concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
          (SELECT timeline_id FROM pg_control_checkpoint()),
          (SELECT oid FROM pg_database WHERE datname = current_database()))), 1, 12)
      $$`);
    await runner.query(`
      ALTER TABLE "audit_log" ALTER COLUMN "actor_uuid" DROP NOT NULL,
        ADD COLUMN "position" bigint, ADD COLUMN "subject_uuid" uuid, ADD COLUMN "address" varchar(45)`);
    await runner.query(`
      UPDATE "audit_log" SET position = placed.position
      FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS position FROM audit_log) AS placed
      WHERE audit_log.id = placed.id`);
    await runner.query(`ALTER TABLE "audit_log" ALTER COLUMN "position" SET NOT NULL`);
    await runner.query(`CREATE UNIQUE INDEX "audit_log_position" ON "audit_log" ("position")`);
    await runner.query(`
      CREATE TABLE "audit_positions" ("is_only" boolean PRIMARY KEY DEFAULT true CHECK (is_only), "position" bigint NOT NULL)`);
    await runner.query(`
      INSERT INTO "audit_positions" (position) SELECT coalesce(max(position), 0) FROM audit_log`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "audit_positions"`);
    await runner.query(`DROP INDEX "audit_log_position"`);
    await runner.query(`DELETE FROM "audit_log" WHERE actor_uuid IS NULL`);
    await runner.query(`
      ALTER TABLE "audit_log" ALTER COLUMN "actor_uuid" SET NOT NULL,
        DROP COLUMN "position", DROP COLUMN "subject_uuid", DROP COLUMN "address"`);
    await runner.query(`DROP FUNCTION "event_epoch"`);
    await runner.query(`DROP FUNCTION "keep_event_partitions"`);
    await runner.query(`DROP TABLE "event_log", "event_heads", "new_events"`);
  }
}
