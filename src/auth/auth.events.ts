// The events of logins and sessions. Their subject is the session, or the user.
import { defineEvent, type RowChange } from '../shared/events/event.js';

export const SessionOpened = defineEvent<RowChange>('session.opened', { published: true, audited: true });
/** The session ended; its `endedBy` states why, as `reuse` of a refresh token. */
export const SessionEnded = defineEvent<RowChange>('session.ended', { published: true, audited: true });
/** `isLastGuess`: the account is locked out for this kind of device: its next attempts are refused for a while. */
interface WrongPassword {
  /** Null: there is no such account. */
  userId: string | null;
  isLastGuess: boolean;
}
/** A login with a wrong password. */
export const LoginFailed = defineEvent<WrongPassword>('login.failed', { audited: true });
/** A change of the password with a wrong current one. */
export const PasswordChangeFailed = defineEvent<WrongPassword>('user.password-change-failed', { audited: true });
