// Global guard: every route needs an access token unless it is marked as public, and its permission if it requires one.
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { REQUIRES } from '../common/decorators/endpoint.decorator.js';
import { IS_PUBLIC } from '../common/decorators/public.decorator.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { can, type Permission } from '../common/access/permissions.js';
import { invalidToken, missingToken } from './bearer-token.js';
import { type Principal, Principals } from './principals.js';

/** Access rule from a route's decorators. */
interface Rule {
  isPublic: boolean | 'optional';
  requires: Permission | undefined;
}

@Injectable()
export class AccessGuard implements CanActivate {
  private readonly rules = new Map<unknown, Rule>();

  constructor(
    private readonly reflector: Reflector,
    private readonly principals: Principals,
  ) {}

  /** Returns no promise when the session is cached, which is the common case. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.ruleOf(context);
    if (rule.isPublic === true) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { claims } = request;
    if (rule.isPublic === 'optional' && request.headers.authorization === undefined) return true;
    if (claims === undefined) throw missingToken();
    if (claims === null) throw invalidToken();
    // The session may have ended while the body arrived, so it is checked again. Without a body, the hook's result is current.
    const found = (request.body === undefined && request.principal) || this.principals.find(claims);
    return found instanceof Promise
      ? found.then((principal) => isAllowed(request, rule, principal))
      : isAllowed(request, rule, found);
  }

  /** Caches the rule per route: metadata look-ups walk prototype chains. */
  private ruleOf(context: ExecutionContext): Rule {
    const handler = context.getHandler();
    let rule = this.rules.get(handler);
    if (!rule) {
      const isPublic = this.reflector.getAllAndOverride<true | 'optional' | undefined>(IS_PUBLIC, [
        handler,
        context.getClass(),
      ]);
      rule = { isPublic: isPublic ?? false, requires: this.reflector.get<Permission | undefined>(REQUIRES, handler) };
      this.rules.set(handler, rule);
    }
    return rule;
  }
}

/** `principal` null: the session has ended since the token was read. */
function isAllowed(request: FastifyRequest, { requires }: Rule, principal: Principal | null): true {
  if (!principal) throw invalidToken();
  request.user = principal;
  if (requires && !can(principal, requires)) throw HttpErrors.FORBIDDEN(requires);
  return true;
}
