// The sessions' table.
import { Injectable } from '@nestjs/common';
import { BaseRepository, type SortColumn } from '../common/repositories/base.repository.js';
import { columnsOf, toEntity } from '../common/repositories/to-entity.js';
import type { Actor } from '../common/permissions.js';
import { User } from '../users/user.entity.js';
import { AuthErrors } from './auth.errors.js';
import { type EndReason, Session } from './session.entity.js';

@Injectable()
export class SessionsRepository extends BaseRepository<Session> {
  private columnList: string | undefined;
  protected readonly entity = Session;
  protected readonly sorts: Record<string, SortColumn<Session>> = {};

  async create(values: Partial<Session>): Promise<Session> {
    const [session] = await this.insertAll([values]);
    return session as Session;
  }

  /** Inside a transaction: whoever refreshes the same session waits here, so that two tabs are served one after the other. */
  claim(uuid: string): Promise<Session | null> {
    return this.rows().where({ uuid }).setLock('pessimistic_write').getOne();
  }

  rotate(session: Session, generation: number, rotatedAt: Date): Promise<Session> {
    return this.change(
      { generation, rotatedAt },
      { where: { uuid: session.uuid }, missing: AuthErrors.REFRESH_INVALID },
    );
  }

  /** The living ones of a user, newest first. */
  listOf(actor: Actor, now: Date, idleSince: Date): Promise<Session[]> {
    return this.rows()
      .where('row.user_id = :userId AND row.expires_at > :now AND row.rotated_at > :idleSince', {
        userId: actor.key,
        now,
        idleSince,
      })
      .orderBy('row.created_at', 'DESC')
      .addOrderBy('row.id', 'DESC')
      .limit(1_000)
      .getMany();
  }

  /** Throws SESSION_NOT_FOUND, also for someone else's. */
  async end(uuid: string, userId: string, endedBy: EndReason): Promise<void> {
    await this.change({ endedBy, deletedAt: () => 'CURRENT_TIMESTAMP' } as never, {
      where: { uuid, userId },
      missing: () => AuthErrors.SESSION_NOT_FOUND(uuid),
    });
  }

  /** Ends all sessions of a user but one, or all; returns their ids. */
  async endAll(userUuid: string, endedBy: EndReason, except: string | null = null): Promise<string[]> {
    const ended = await this.transaction.query<{ uuid: string }>({
      name: 'sessions-end-all',
      text: `UPDATE sessions SET deleted_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP, version = version + 1, ended_by = $2
             WHERE user_id = (SELECT id FROM users WHERE uuid = $1) AND deleted_at IS NULL AND uuid IS DISTINCT FROM $3::uuid RETURNING uuid`,
      values: [userUuid, endedBy, except],
    });
    return ended.map((row) => row.uuid);
  }

  private get userColumns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, User, 'u'));
  }

  /** The user behind a living session, in one statement: what every request with a token asks. */
  async findUserOf(sessionUuid: string): Promise<User | null> {
    const [row] = await this.transaction.read({
      name: 'session-user',
      text: `SELECT ${this.userColumns} FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.uuid = $1 AND s.deleted_at IS NULL AND u.deleted_at IS NULL AND s.expires_at > CURRENT_TIMESTAMP`,
      values: [sessionUuid],
    });
    return row ? toEntity(this.transaction.manager, User, row) : null;
  }
}
