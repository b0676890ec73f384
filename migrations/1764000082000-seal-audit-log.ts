// The audit log: append-only, sealed, and indexed by actor and subject.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SealAuditLog1764000082000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE "audit_positions" ADD COLUMN "log_id" uuid NOT NULL DEFAULT gen_random_uuid()`);
    await runner.query(`CREATE INDEX "audit_log_action" ON "audit_log" ("action", "created_at", "id")`);
    await runner.query(`CREATE INDEX "audit_log_actor" ON "audit_log" ("actor_uuid", "created_at", "id")`);
    await runner.query(`CREATE INDEX "audit_log_subject" ON "audit_log" ("subject_uuid", "created_at", "id")`);
    await runner.query(`
      CREATE TABLE "audit_seals" (
        "first" bigint NOT NULL PRIMARY KEY,
        "last" bigint NOT NULL UNIQUE,
        "leaves" bytea NOT NULL,
        "root" bytea NOT NULL,
        "previous" bytea NOT NULL,
        "sealed_at" timestamptz(3) NOT NULL,
        "signature" bytea NOT NULL
      )`);
    // Only purge_audit_log, which runs as the owner of the table, deletes. Who may change triggers can change rows: the seals
    // reveal that.
    await runner.query(`
      CREATE FUNCTION "refuse_audit_change"() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'DELETE' AND current_setting('holdfast.purges_audit_log', true) = 'on'
          AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN RETURN OLD; END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
      END $$`);
    for (const table of ['audit_log', 'audit_seals']) {
      await runner.query(`
        CREATE TRIGGER "${table}_append_only" BEFORE UPDATE OR DELETE ON "${table}"
        FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()`);
      await runner.query(`
        CREATE TRIGGER "${table}_keeps_rows" BEFORE TRUNCATE ON "${table}"
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    }
    // Long values, like 20 KB of hobbies, as their length and hash: entries stay for a year, and any user can cause 60 a minute.
    await runner.query(`
      CREATE FUNCTION "audit_value"(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN octet_length(value::text) <= 1000 THEN value ELSE jsonb_build_object(
          'bytes', octet_length(value::text), 'sha256', encode(sha256(convert_to(value::text, 'UTF8')), 'hex')) END
      $$`);
    await runner.query(`
      CREATE FUNCTION "audit_details"(details jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
        SELECT coalesce(jsonb_object_agg(name, CASE
          WHEN name IN ('after', 'before') AND jsonb_typeof(value) = 'object' THEN
            (SELECT coalesce(jsonb_object_agg(member.key, audit_value(member.value)), '{}') FROM jsonb_each(value) AS member)
          ELSE audit_value(value) END), '{}')
        FROM jsonb_each(details) AS part (name, value)
      $$`);
    // Deletes whole seals with their entries, so that what remains can be verified, and records that. The newest seal stays: the next
    // one contains its hash. SECURITY DEFINER: the application's own role needs no right to delete.
    await runner.query(`
      CREATE FUNCTION "purge_audit_log"(days integer, max_entries integer, OUT through bigint, OUT deleted bigint)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
      BEGIN
        IF days < 1 THEN RAISE EXCEPTION 'The audit log keeps entries for a day at least'; END IF;
        SELECT max(old.last) INTO through FROM (
          SELECT seal.last, sum(seal.last - seal.first + 1) OVER (ORDER BY seal.first) AS entries FROM (
            SELECT * FROM audit_seals
            WHERE sealed_at < now() - days * interval '1 day' AND last < (SELECT max(last) FROM audit_seals)
            ORDER BY first LIMIT 1000
          ) AS seal
        ) AS old WHERE entries <= max_entries;
        PERFORM set_config('holdfast.purges_audit_log', 'on', true); -- for the triggers
        DELETE FROM audit_log WHERE position <= through;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        DELETE FROM audit_seals WHERE last <= through;
        PERFORM set_config('holdfast.purges_audit_log', '', true);
        IF through IS NOT NULL THEN
          INSERT INTO new_events (name, is_published, is_audited, data) VALUES ('audit.purged', false, true,
            json_build_object('through', through::text, 'deleted', deleted, 'days', days, 'role', session_user));
        END IF;
      END $$`);
    // The same for the event log: only the owner of a table may create and drop its partitions.
    await runner.query(`ALTER FUNCTION "keep_event_partitions"(integer) SECURITY DEFINER`);
    await runner.query(`ALTER FUNCTION "keep_event_partitions"(integer) SET search_path FROM CURRENT`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER FUNCTION "keep_event_partitions"(integer) RESET ALL`);
    await runner.query(`ALTER FUNCTION "keep_event_partitions"(integer) SECURITY INVOKER`);
    await runner.query(`DROP FUNCTION "purge_audit_log"`);
    await runner.query(`DROP FUNCTION "audit_details"`);
    await runner.query(`DROP FUNCTION "audit_value"`);
    await runner.query(`DROP TABLE "audit_seals"`);
    await runner.query(`DROP TRIGGER "audit_log_keeps_rows" ON "audit_log"`);
    await runner.query(`DROP TRIGGER "audit_log_append_only" ON "audit_log"`);
    await runner.query(`DROP FUNCTION "refuse_audit_change"`);
    await runner.query(`DROP INDEX "audit_log_subject", "audit_log_actor", "audit_log_action"`);
    await runner.query(`ALTER TABLE "audit_positions" DROP COLUMN "log_id"`);
  }
}
