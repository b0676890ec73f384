// An event as its feature module declares it: a name and the type of its data, without behaviour.

export interface EventDefinition<T> {
  readonly name: string;
  /** True: it is in the event log of the subject's owner. */
  readonly isPublished: boolean;
  /** True: it becomes an audit entry. */
  readonly isAudited: boolean;
  /** Exists for the type checker only. */
  readonly data?: T;
}

/** Data of an event that a repository records with the row it writes. */
export interface RowChange {
  /** The row after the change, by the names that clients see. */
  after: Record<string, unknown>;
  /** Earlier values of the fields that changed. */
  before: Record<string, unknown>;
}

const NAME = /^[a-z][a-z-]*(\.[a-z][a-z-]*)+$/;
const defined = new Map<string, EventDefinition<unknown>>();

/**
 * Declares an event: `export const NoteCreated = defineEvent<RowChange>('note.created', { published: true, audited: true })`.
 * With neither option only listeners get it. Throws when the name is taken or invalid.
 */
export function defineEvent<T extends object>(
  name: string,
  { published = false, audited = false }: { published?: boolean; audited?: boolean } = {},
): EventDefinition<T> {
  if (!NAME.test(name)) throw new Error(`Event ${name}: use lower case and a dot, as in task.created.`);
  if (defined.has(name)) throw new Error(`Event ${name} is declared twice. Rename one of them.`);
  const event = { name, isPublished: published, isAudited: audited };
  defined.set(name, event);
  return event;
}
