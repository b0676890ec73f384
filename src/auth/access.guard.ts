// The global guard: no route without an access token, but those that say so; no permission that the role has not.
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { REQUIRES } from '../common/decorators/endpoint.decorator.js';
import { IS_PUBLIC } from '../common/decorators/public.decorator.js';
import { HttpErrors } from '../common/http.errors.js';
import { RequestLimits } from '../common/limits/request-limits.js';
import { can, type Permission } from '../common/permissions.js';
import { type Principal, Principals } from './principals.js';

/** What a route's decorators say. */
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
    private readonly limits: RequestLimits,
  ) {}

  /** Answers without a promise when the session is remembered, as it mostly is. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.ruleOf(context);
    if (rule.isPublic === true) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const { claims } = request;
    if (rule.isPublic === 'optional' && request.headers.authorization === undefined) return true;
    if (claims === undefined) throw HttpErrors.UNAUTHENTICATED('An access token is needed.');
    if (claims === null) throw invalidToken();
    const found = this.principals.find(claims);
    const admit = (principal: Principal | null) =>
      principal ? isAllowed(request, rule, principal) : this.refuseEnded(request, http.getResponse<FastifyReply>());
    return found instanceof Promise ? found.then(admit) : admit(found);
  }

  /** The user of an ended session was charged already; a flood of its tokens has to end for its address, too. */
  private async refuseEnded(request: FastifyRequest, reply: FastifyReply): Promise<never> {
    await this.limits.countStranger(request, reply);
    throw invalidToken();
  }

  /** Metadata look-ups walk prototype chains: once for each route is enough. */
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

function isAllowed(request: FastifyRequest, { requires }: Rule, principal: Principal): true {
  request.user = principal;
  if (requires && !can(principal, requires)) throw HttpErrors.FORBIDDEN(requires);
  return true;
}

/** RFC 6750, 3. */
function invalidToken(): Error {
  return HttpErrors.AUTH_TOKEN_INVALID().withHeader('www-authenticate', 'Bearer error="invalid_token"');
}
