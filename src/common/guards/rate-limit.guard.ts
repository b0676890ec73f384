// How much of the API one caller may use: one decision for each request, told in the IETF's RateLimit fields.
import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import {
  InjectThrottlerOptions,
  InjectThrottlerStorage,
  ThrottlerGuard,
  type ThrottlerModuleOptions,
  type ThrottlerStorage,
} from '@nestjs/throttler';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig, type Rate, type Rates } from '../../shared/config/app-config.js';
import { networkOf } from '../../shared/libs/network.js';
import { RateLimiter, refusedTier, retryAfterOf, type Taking } from '../../shared/services/cache/rate-limiter.js';
import { LOGGER, type Logger } from '../../shared/services/logging/logger.js';
import { LIMITED, type Limited } from '../decorators/limited.decorator.js';
import { HttpErrors } from '../http.errors.js';

/** The rates of a route, and how RateLimit-Policy says them. */
interface Limit {
  rates: Rates;
  policy: string;
}

/** What a route's decorators come to; null: it is not limited. */
type Rule = { kind: 'standard' | 'auth'; cost: number; limit: Limit } | null;

/**
 * The throttlers' names, quotas and windows are Nest's; the decision is not. ThrottlerGuard asks its storage once for
 * each throttler, so a request that the second one refuses has been counted by the first, and every refused try makes
 * the wait longer. Here the limiter is asked once and takes from both tiers or from none.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  private readonly rules = new Map<unknown, Rule>();

  constructor(
    @InjectThrottlerOptions() options: ThrottlerModuleOptions,
    @InjectThrottlerStorage() storage: ThrottlerStorage,
    reflector: Reflector,
    private readonly config: AppConfig,
    private readonly limiter: RateLimiter,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    super(options, storage, reflector);
  }

  /** The base class promises a promise; Nest takes the plain boolean of a limiter in memory as well. Throws RATE_LIMITED. */
  override canActivate(context: ExecutionContext): Promise<boolean> {
    return this.count(context) as Promise<boolean>;
  }

  /**
   * For a guard that comes before this one and refuses: the request counts all the same, so that a flood of bad tokens
   * ends in RATE_LIMITED. Throws that, or else `error`.
   */
  async refuse(context: ExecutionContext, error: unknown): Promise<never> {
    await this.count(context);
    throw error;
  }

  private count(context: ExecutionContext): true | Promise<true> {
    const rule = this.ruleOf(context);
    if (!rule) return true;
    const http = context.switchToHttp();
    const caller = this.callerOf(http.getRequest<FastifyRequest>(), rule.kind);
    const reply = http.getResponse<FastifyReply>();
    const taking = this.limiter.take(caller, rule.limit.rates, rule.cost);
    if (taking instanceof Promise) return taking.then((taken) => this.settle(reply, caller, rule.limit, taken));
    return this.settle(reply, caller, rule.limit, taking);
  }

  /** Routes that let people in are counted by address: who asks is not known yet, or is what is guessed. */
  private callerOf({ user, ip }: FastifyRequest, kind: 'standard' | 'auth'): string {
    if (kind === 'auth') return `auth:${networkOf(ip)}`;
    return user ? `user:${user.id}` : `ip:${networkOf(ip)}`;
  }

  private settle(reply: FastifyReply, caller: string, { rates, policy }: Limit, taking: Taking): true {
    reply.header('ratelimit-policy', policy).header('ratelimit', describe(rates, taking));
    const tier = refusedTier(taking);
    if (tier === null) return true;
    if (this.config.rateLimits.mode === 'dry-run') {
      this.log.warn({ caller, tier }, 'RATE_LIMITED would be the answer, but for RATE_LIMIT_MODE=dry-run');
      return true;
    }
    throw HttpErrors.RATE_LIMITED(tier, rates[tier]).withHeader('Retry-After', retryAfterOf(taking[tier]));
  }

  /** Metadata look-ups walk prototype chains: once for each route is enough. */
  private ruleOf(context: ExecutionContext): Rule {
    const handler = context.getHandler();
    let rule = this.rules.get(handler);
    if (rule === undefined) {
      const { limit: kind = 'standard', cost = 1 } = this.reflector.get<Limited | undefined>(LIMITED, handler) ?? {};
      const isFree = kind === 'none' || this.config.rateLimits.mode === 'off';
      rule = isFree ? null : { kind, cost, limit: this.limitOf(kind) };
      this.rules.set(handler, rule);
    }
    return rule;
  }

  private limitOf(kind: 'standard' | 'auth'): Limit {
    const standard = { burst: this.throttler('burst'), sustained: this.throttler('sustained') };
    const rates = kind === 'auth' ? this.config.rateLimits.auth : standard;
    const say = (tier: keyof Rates): string => `"${tier}";q=${rates[tier].quota};w=${rates[tier].window}`;
    return { rates, policy: `${say('burst')}, ${say('sustained')}` };
  }

  /** Throttlers count time in milliseconds. */
  private throttler(tier: keyof Rates): Rate {
    const { limit, ttl } = this.throttlers.find(({ name }) => name === tier) as { limit: number; ttl: number };
    return { quota: limit, window: ttl / 1000 };
  }
}

/** Whole seconds, at most the window: what a full slot may take longer (1/60) would only puzzle. Retry-After has it. */
function describe(rates: Rates, taking: Taking): string {
  const say = (tier: keyof Rates): string => {
    const { remaining, resetMs } = taking[tier];
    return `"${tier}";r=${remaining};t=${Math.min(rates[tier].window, Math.ceil(resetMs / 1000))}`;
  };
  return `${say('burst')}, ${say('sustained')}`;
}
