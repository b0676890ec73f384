// Writes an audit entry for each audited event, in the transaction of its change.
import { Injectable } from '@nestjs/common';
import { auditedEvents } from '../shared/events/event.js';
import { Events } from '../shared/events/events.js';
import { requestContext } from '../shared/logging/request-context.js';
import { AuditRepository } from './audit.repository.js';

@Injectable()
export class AuditListener {
  constructor(events: Events, audit: AuditRepository) {
    for (const event of auditedEvents())
      events.within(event, ({ actorId, ...details }) =>
        audit.add({
          actorUuid: actorId,
          action: event.name,
          details,
          requestId: requestContext.getStore()?.requestId ?? null,
        }),
      );
  }
}
