-- Returns the state of the audit log: its database and id, its last position and its last sealed one (0: none).
SELECT current_database() AS database, log_id AS "logId", position, (SELECT coalesce(max(last), 0) FROM audit_seals) AS sealed FROM audit_positions
