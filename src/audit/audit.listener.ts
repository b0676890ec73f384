// Writes audit entries for certain events, in the transaction of the action.
import { Injectable } from '@nestjs/common';
import { Events } from '../shared/events/events.js';
import type { EventMap, EventName } from '../shared/events/event-map.js';
import { requestContext } from '../shared/logging/request-context.js';
import { AuditRepository } from './audit.repository.js';

/** Events that contain their actor. */
type Audited = { [N in EventName]: EventMap[N] extends { actorId: string } ? N : never }[EventName];

const AUDITED: readonly Audited[] = [
  'user.created',
  'user.changed',
  'user.deleted',
  'user.restored',
  'cache.cleared',
  'job.replayed',
  'job.discarded',
  'schedule.run',
  'bucket.created',
  'bucket.changed',
  'bucket.deleted',
  'bucket.restored',
];

@Injectable()
export class AuditListener {
  constructor(events: Events, audit: AuditRepository) {
    for (const action of AUDITED)
      events.within(action, ({ actorId, ...details }) =>
        audit.add({ actorUuid: actorId, action, details, requestId: requestContext.getStore()?.requestId ?? null }),
      );
  }
}
