// Records each call of a reading route that needs a permission. Changes record their own events, so they need none of this.
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { from, mergeMap, type Observable } from 'rxjs';
import type { Actor, Permission } from '../common/access/permissions.js';
import { PrivilegedAccess } from '../common/access/privileged-access.js';
import { REQUIRES } from '../common/decorators/endpoint.decorator.js';
import { parseUuid } from '../common/decorators/input.decorator.js';

const READS = new Set(['GET', 'HEAD']);

/** A PATCH or PUT that changes no member only returns the object. */
function isRead({ method, body }: FastifyRequest): boolean {
  if (READS.has(method)) return true;
  return (
    (method === 'PATCH' || method === 'PUT') && Object.keys((body as object | null | undefined) ?? {}).length === 0
  );
}

@Injectable()
export class ReadAuditInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly access: PrivilegedAccess,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const permission = this.reflector.get<Permission | undefined>(REQUIRES, context.getHandler());
    if (!permission) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest<{ Params: { id?: string } }>>();
    if (!isRead(request)) return next.handle();
    const { id } = request.params;
    const subject = id === undefined ? null : parseUuid('id', id); // interceptors run before the parameters are validated
    const recorded = this.access.read(request.user as Actor, permission, subject);
    return from(recorded).pipe(mergeMap(() => next.handle()));
  }
}
