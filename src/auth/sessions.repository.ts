// The sessions table.
import { Injectable } from '@nestjs/common';
import { BaseRepository, type KeyRange, type Purged, type SortColumn } from '../common/repositories/base.repository.js';
import type { EventShape } from '../common/repositories/event-of-row.js';
import { columnsOf, toEntity } from '../common/repositories/to-entity.js';
import { eventOrigin, originAt } from '../shared/events/record-events.js';
import type { Actor } from '../common/access/permissions.js';
import { User } from '../users/user.entity.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import { SessionEnded, SessionOpened } from './auth.events.js';
import { AuthErrors } from './auth.errors.js';
import { type EndReason, Session } from './session.entity.js';

/** Cache tag of a session: its end invalidates the cached principal. */
export const sessionTag = (uuid: string): string => `session:${uuid}`;

@Injectable()
export class SessionsRepository extends BaseRepository<Session> {
  private columnList: string | undefined;
  protected readonly entity = Session;
  protected readonly eventShape: EventShape<Session> = {
    owner: 'userId',
    fields: ['userAgent', 'ip', 'expiresAt', 'endedBy'],
  };
  protected readonly sorts: Record<string, SortColumn<Session>> = {};

  async create(values: Partial<Session>): Promise<Session> {
    const [session] = await this.insertAll([values], SessionOpened);
    return session as Session;
  }

  /** Locks the session, inside a transaction: simultaneous refreshes of two tabs run one after the other. */
  claim(uuid: string): Promise<Session | null> {
    return this.rows().where({ uuid }).setLock('pessimistic_write').getOne();
  }

  /** Returns the salt of any session that is not purged yet, ended or not; null when there is none. */
  async findSalt(uuid: string): Promise<string | null> {
    const [row] = await this.transaction.read<{ salt: string }>({
      name: 'session-salt',
      text: 'SELECT salt FROM sessions WHERE uuid = $1',
      values: [uuid],
    });
    return row?.salt ?? null;
  }

  rotate(session: Session, generation: number, rotatedAt: Date): Promise<Session> {
    return this.change(
      { generation, rotatedAt },
      // No cached read contains these. A refresh is no event: it happens every few minutes, and only the device sees it.
      { where: { uuid: session.uuid }, tags: [], event: null, missing: AuthErrors.REFRESH_INVALID },
    );
  }

  /** Lists the active sessions of a user: first the current one, then the newest. */
  listOf(actor: Actor, request: PageRequest, now: Date, idleSince: Date): Promise<Page<Session>> {
    const current = actor.sessionId;
    const scope = `row.user_id = :userId AND (row.uuid = :current OR row.expires_at > :now AND row.rotated_at > :idleSince)`;
    return this.page(this.pageQuery('present').where(scope, { userId: actor.key, current, now, idleSince }), request, {
      createdAt: {
        sql: `CASE WHEN row.uuid = :current THEN 'infinity' ELSE row.created_at END`,
        type: 'timestamptz',
        value: (row) => (row.uuid === current ? 'infinity' : row.createdAt),
      },
    });
  }

  /** Ends all sessions except the `quota` most recently used ones. Runs in a transaction that has locked the user. */
  async endBeyond(userId: string, quota: number): Promise<void> {
    await this.endWhere(
      `id IN (SELECT id FROM sessions WHERE user_id = $2 AND deleted_at IS NULL ORDER BY rotated_at DESC, id DESC OFFSET $3)`,
      ['superseded', userId, quota],
    );
  }

  /** Deletes sessions that ended `days` ago, by themselves or because they were not used for `idleMs`. */
  purge(range: KeyRange, days: number, idleMs: number): Promise<Purged> {
    const isOver = `least(old.deleted_at, old.expires_at, old.rotated_at + $5 * interval '1 ms') < now() - $4::integer * interval '1 day'`;
    return this.purgeRange(range, isOver, [days, idleMs]);
  }

  /** Ends a session. Throws SESSION_NOT_FOUND, also for a session of another user. */
  async end(uuid: string, userId: string, endedBy: EndReason): Promise<void> {
    const patch = { endedBy, deletedAt: () => 'CURRENT_TIMESTAMP' } as never;
    const tags = [sessionTag(uuid)];
    const missing = () => AuthErrors.SESSION_NOT_FOUND(uuid);
    await this.change(patch, { where: { uuid, userId }, tags, event: SessionEnded, missing });
  }

  /** Ends all sessions of a user except one, or all. Runs inside a transaction. */
  async endAll(userUuid: string, endedBy: EndReason, except: string | null = null): Promise<void> {
    await this.endWhere(
      `user_id = (SELECT id FROM users WHERE uuid = $2) AND deleted_at IS NULL AND uuid IS DISTINCT FROM $3::uuid`,
      [endedBy, userUuid, except],
    );
  }

  /** Ends the sessions that match `condition`, with values from $2 on; the first value is the reason. Runs inside a transaction. */
  private async endWhere(condition: string, values: readonly unknown[]): Promise<void> {
    const text = `
      WITH ended AS (
        UPDATE sessions SET deleted_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP, version = version + 1, ended_by = $1
        WHERE ${condition} RETURNING sessions.*
      ), recorded AS (${this.recordRows(SessionEnded, 'ended', originAt(values.length + 1))}) SELECT uuid FROM ended`;
    const ended = await this.transaction.query<{ uuid: string }>({ text, values: [...values, ...eventOrigin()] });
    if (ended.length > 0) await this.cache.invalidate(ended.map(({ uuid }) => sessionTag(uuid)));
  }

  private get userColumns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, User, 'u'));
  }

  /** Returns the user of an active session and the latest end of the session, in one statement. */
  async findUserOf(sessionUuid: string): Promise<{ user: User; expiresAt: Date } | null> {
    const [row] = await this.transaction.read<{ session_expires_at: Date }>({
      name: 'session-user',
      text: `SELECT ${this.userColumns}, s.expires_at AS session_expires_at FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.uuid = $1 AND s.deleted_at IS NULL AND u.deleted_at IS NULL AND s.expires_at > CURRENT_TIMESTAMP`,
      values: [sessionUuid],
    });
    return row ? { user: toEntity(this.transaction.manager, User, row), expiresAt: row.session_expires_at } : null;
  }
}
