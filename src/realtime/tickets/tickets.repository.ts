// The realtime_tickets table: tickets that no handshake has used yet.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';

interface Row {
  userId: string;
  sessionId: string;
  issuedAt: string;
  expiresAt: string;
}

@Injectable()
export class TicketsRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Stores a ticket, and deletes some that were not used. `hash`: SHA-256 of the ticket. */
  async insert(hash: Buffer, { sub, sid, iat, exp }: AccessClaims, ttlSeconds: number): Promise<Date> {
    const rows = await this.transaction.query<{ endsAt: Date }>({
      name: 'ticket-insert',
      text: `
        WITH unused AS (
          DELETE FROM realtime_tickets WHERE hash IN (
            SELECT hash FROM realtime_tickets WHERE ends_at < now() ORDER BY ends_at LIMIT 10 FOR UPDATE SKIP LOCKED)
        )
        INSERT INTO realtime_tickets (hash, user_id, session_id, issued_at, expires_at, ends_at)
        VALUES ($1, $2, $3, $4, $5, now() + $6::integer * interval '1 s') RETURNING ends_at AS "endsAt"`,
      values: [hash, sub, sid, iat, exp, ttlSeconds],
    });
    return (rows as [{ endsAt: Date }])[0].endsAt;
  }

  /** Deletes a valid ticket and returns the claims of its access token; null when there is none. */
  async take(hash: Buffer): Promise<AccessClaims | null> {
    const [row] = await this.transaction.query<Row & Record<string, unknown>>({
      name: 'ticket-take',
      text: `
        DELETE FROM realtime_tickets WHERE hash = $1 AND ends_at > now()
        RETURNING user_id AS "userId", session_id AS "sessionId", issued_at AS "issuedAt", expires_at AS "expiresAt"`,
      values: [hash],
    });
    return row ? { sub: row.userId, sid: row.sessionId, iat: Number(row.issuedAt), exp: Number(row.expiresAt) } : null;
  }
}
