// All that can happen in the house, and what is told of it: ids, never entities.

export interface EventMap {
  /** Something of the account that others can see is new. */
  'user.changed': { userId: string };
  /** Deleted, or with a new password or role: whoever is logged in as this user must not stay so. */
  'user.locked-out': { userId: string };
  /** Logged out, revoked, or its refresh token was used twice. */
  'session.ended': { sessionId: string };
}

export type EventName = keyof EventMap;
