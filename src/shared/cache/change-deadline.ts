// The time until which PostgreSQL may begin the statement of a change that runs outside a transaction.
import type pg from 'pg';
import type { DatabaseClock } from '../database/database-clock.js';
import { MAX_CHANGE_MS } from './memory.store.js';

/**
 * A process may freeze after its last check and send its statement only after the others have begun to treat the change as dead.
 * PostgreSQL then refuses the statement by its own clock: `clock_timestamp() < $n`. Inside a transaction
 * idle_in_transaction_session_timeout has this effect. A statement that began in time, at most 7.5 s after the change
 * began, ends within statement_timeout (5 s). So 2.5 s of MAX_CHANGE_MS are left for the commit, and for a clock that was set back
 * since its last reading. Statements that are sent together are followed by `check`: their COMMIT begins at most 2 s after the deadline.
 */
const MAX_START_MS = MAX_CHANGE_MS / 2;

/** Nothing was changed; the caller may retry. */
export class ChangeTooLateError extends Error {
  constructor() {
    super('The change was refused: too much time had passed since its announcement.');
  }
}

export class ChangeDeadline {
  /** No deadline. */
  static readonly NONE = new ChangeDeadline('infinity', null);

  private constructor(
    /** The value of the condition in the statement: a timestamptz, as text. */
    readonly sql: string,
    private readonly clock: DatabaseClock | null,
  ) {}

  /** `beganAt`: when the change began, by `performance.now()`. */
  static async after(beganAt: number, clock: DatabaseClock): Promise<ChangeDeadline> {
    const at = (await clock.lowerBoundAt(beganAt)) + MAX_START_MS;
    return new ChangeDeadline(new Date(at).toISOString(), clock);
  }

  /**
   * Returns a statement that fails after the deadline. It is the last one before the COMMIT of several statements that are sent
   * at once: a process may freeze when PostgreSQL has received half of them, and no time limit of PostgreSQL counts in the middle
   * of a statement.
   */
  check(): pg.QueryConfig {
    const text = 'SELECT 1 / (clock_timestamp() < $1::timestamptz)::integer';
    return { name: 'change-deadline', text, values: [this.sql] };
  }

  /** Call it when the statement has changed nothing: the deadline may be the reason. Throws ChangeTooLateError. */
  async expectNotPassed(): Promise<void> {
    if (this.clock && (await this.clock.now()) >= Date.parse(this.sql)) throw new ChangeTooLateError();
  }
}
