// An event as its feature module declares it: a name and the type of its payload, without behaviour.

/** `T`: ids that state what happened, never entities. */
export interface EventDefinition<T> {
  readonly name: string;
  /** True: each event becomes an audit entry, in the transaction of its change. */
  readonly audited: boolean;
  /** Exists for the type checker only. */
  readonly payload?: T;
}

/** Payload of an audited event; the other members become the details of the entry. */
export interface Audited {
  /** UUID of the user that made the change. */
  actorId: string;
}

const defined = new Map<string, EventDefinition<unknown>>();

/**
 * Declares an event: `export const UserDeleted = defineEvent<{ userId: string }>('user.deleted')`. Throws when the name is
 * taken.
 */
export function defineEvent<T extends object>(name: string): EventDefinition<T> {
  return register({ name, audited: false });
}

/** Declares an event whose occurrences are audit entries. Throws when the name is taken. */
export function defineAuditedEvent<T extends Audited>(name: string): EventDefinition<T> {
  return register({ name, audited: true });
}

/** Returns the audited events of all modules that are imported by now. */
export function auditedEvents(): Array<EventDefinition<Audited>> {
  return [...defined.values()].filter(({ audited }) => audited) as Array<EventDefinition<Audited>>;
}

function register<T>(event: EventDefinition<T>): EventDefinition<T> {
  if (defined.has(event.name)) throw new Error(`Event ${event.name} is declared twice. Rename one of them.`);
  defined.set(event.name, event);
  return event;
}
