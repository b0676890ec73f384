// The SQL that records events: a part of the statement that changes the rows, so both are committed or neither.
import { requestContext, runningRequest } from '../logging/request-context.js';
import type { EventDefinition } from './event.js';

/** SQL expressions of the user that makes the change, the request and its address. */
export interface OriginSource {
  actor: string;
  request: string;
  address: string;
}

/** SQL expressions of the recorded columns, and the rows they come from. */
export interface EventSource {
  /** Internal key of the user whose log has the event; NULL: no user. */
  owner: string;
  /** UUID of the changed object; NULL: no single object. */
  subject: string;
  /** JSON. */
  data: string;
  from: string;
  origin: OriginSource;
}

export type EventOrigin = [actorId: string | null, requestId: string | null, address: string | null];

/** Returns actor, request and address of the running request or job. */
export function eventOrigin(): EventOrigin {
  const { actorId = null, address = null } = runningRequest() ?? {};
  return [actorId, requestContext.getStore()?.requestId ?? null, address];
}

/** The origin of a statement with the values of `eventOrigin` as its parameters from number `first` on. */
export function originAt(first: number): OriginSource {
  return { actor: `$${first}::uuid`, request: `$${first + 1}::varchar`, address: `$${first + 2}::varchar` };
}

/**
 * Returns `INSERT INTO new_events … SELECT`. The id of the event comes from a sequence after the row was locked, so the events of one
 * row have ids in the order of its changes. An address that a proxy made longer than any address is cut.
 */
export function recordEvents(
  { name, isPublished, isAudited }: EventDefinition<unknown>,
  { owner, subject, data, from, origin }: EventSource,
): string {
  return `
    INSERT INTO new_events (name, is_published, is_audited, owner_id, subject_id, data, actor_id, request_id, address)
    SELECT '${name}', ${isPublished}, ${isAudited}, ${owner}, ${subject}, ${data},
      ${origin.actor}, ${origin.request}, left(${origin.address}, 45)
    FROM ${from}`;
}
