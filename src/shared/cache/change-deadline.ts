// The time until which PostgreSQL may begin the statement of a change that runs outside a transaction.
import type { DatabaseClock } from '../database/database-clock.js';
import { MAX_CHANGE_MS } from './memory.store.js';

/**
 * A process may freeze after its last check and send its statement only after the others have begun to treat the change as dead.
 * PostgreSQL then refuses the statement by its own clock: `clock_timestamp() < $n`. Inside a transaction
 * idle_in_transaction_session_timeout has this effect. A statement that began in time ends within statement_timeout (5 s). These
 * 7.5 s and 5 s leave 2.5 s of MAX_CHANGE_MS for the commit, and for a clock that was set back since its last reading.
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

  /** Call it when the statement has changed nothing: the deadline may be the reason. Throws ChangeTooLateError. */
  async expectNotPassed(): Promise<void> {
    if (this.clock && (await this.clock.now()) >= Date.parse(this.sql)) throw new ChangeTooLateError();
  }
}
