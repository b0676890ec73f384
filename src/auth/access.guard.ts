// The global guard: no route without an access token, but those that say so; no permission that the role has not.
import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { REQUIRES } from '../common/decorators/endpoint.decorator.js';
import { IS_PUBLIC } from '../common/decorators/public.decorator.js';
import { RateLimitGuard } from '../common/guards/rate-limit.guard.js';
import { HttpErrors } from '../common/http.errors.js';
import { can, type Permission } from '../common/permissions.js';
import { isConnectionFailure, sqlStateOf } from '../shared/services/database/sql-state.js';
import { type Principal, Principals } from './principals.js';

const BEARER = /^Bearer ([\w.~+/=-]+)$/i;

/** What a route's decorators say. */
interface Rule {
  isPublic: boolean | 'optional';
  requires: Permission | undefined;
}

@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  private readonly rules = new Map<unknown, Rule>();

  constructor(
    private readonly reflector: Reflector,
    private readonly principals: Principals,
    private readonly limits: RateLimitGuard,
  ) {
    super();
  }

  /** Whom it refuses never gets to the limits, the next guard: so they are told here. */
  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    try {
      const allowed = this.check(context);
      return allowed === true ? true : allowed.catch((error: unknown) => this.limits.refuse(context, error));
    } catch (error) {
      return this.limits.refuse(context, error);
    }
  }

  /** Answers without a promise when token and session are remembered, as they mostly are. */
  private check(context: ExecutionContext): true | Promise<true> {
    const rule = this.ruleOf(context);
    if (rule.isPublic === true) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (rule.isPublic === 'optional' && request.headers.authorization === undefined) return true;
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw HttpErrors.UNAUTHENTICATED('An access token is needed.');
    const claims = this.principals.findClaims(token);
    if (!claims) return this.identify(context, request, rule);
    const found = this.principals.find(claims);
    return found instanceof Promise
      ? found.then((principal) => admit(request, rule, principal))
      : admit(request, rule, found);
  }

  /** A token that was not seen before goes through passport. */
  private async identify(context: ExecutionContext, request: FastifyRequest, rule: Rule): Promise<true> {
    await super.canActivate(context);
    return isAllowed(request, rule);
  }

  /** Passport's outcome: a database that failed is not a caller that lied. */
  override handleRequest<T>(error: unknown, user: T | false): T {
    if (error && (sqlStateOf(error) !== undefined || isConnectionFailure(error))) throw error as Error;
    if (error || !user) return refuse();
    return user;
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

/** A known token needs its session only. */
function admit(request: FastifyRequest, rule: Rule, principal: Principal | null): true {
  request.user = principal ?? refuse();
  return isAllowed(request, rule);
}

function isAllowed({ user }: FastifyRequest, { requires }: Rule): true {
  if (requires && !(user && can(user, requires))) throw HttpErrors.FORBIDDEN(requires);
  return true;
}

/** RFC 6750, 3. */
function refuse(): never {
  throw HttpErrors.AUTH_TOKEN_INVALID().withHeader('www-authenticate', 'Bearer error="invalid_token"');
}
