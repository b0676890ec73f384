// Allows reads that need a permission, and records each.
import { Injectable } from '@nestjs/common';
import { defineEvent } from '../../shared/events/event.js';
import { Events } from '../../shared/events/events.js';
import { runningRequest } from '../../shared/logging/request-context.js';
import { HttpErrors } from '../http/http.errors.js';
import { type Actor, can, type Permission } from './permissions.js';

/**
 * A user has read what needs a permission. `route`: as in the OpenAPI document, without the query, which may contain names. A
 * change records its own event instead.
 */
export const PermissionUsed = defineEvent<{ permission: string; route: string | null }>('permission.used', {
  audited: true,
});

@Injectable()
export class PrivilegedAccess {
  constructor(private readonly events: Events) {}

  /** Call it before the answer: what cannot be recorded is not shown. `subject`: UUID of the object. Throws FORBIDDEN. */
  async read(actor: Actor, permission: Permission, subject: string | null = null): Promise<void> {
    if (!can(actor, permission)) throw HttpErrors.FORBIDDEN(permission);
    await this.events.emit(PermissionUsed, { permission, route: runningRequest()?.route ?? null }, { id: subject });
  }
}
