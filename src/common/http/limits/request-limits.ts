// Rate limits of callers: one decision for each request, reported in the IETF's RateLimit fields.
import { Inject, Injectable } from '@nestjs/common';
import { InjectThrottlerOptions, type ThrottlerOptions } from '@nestjs/throttler';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Rate } from '../../../shared/config/variables.js';
import { RateLimitSettings } from '../../../shared/rate-limits/rate-limits.settings.js';
import {
  type Caller,
  callerAt,
  RateLimiter,
  type Rates,
  refusedTier,
  retryAfterOf,
  siteRatesOf,
  type TakeResult,
} from '../../../shared/rate-limits/rate-limiter.js';
import { LOGGER, type Logger } from '../../../shared/logging/logger.js';
import type { RouteLimit } from '../../decorators/limited.decorator.js';
import { HttpErrors } from '../http.errors.js';

type RatesName = 'standard' | 'auth';

/** The rates of a named limit, and its text in RateLimit-Policy. */
interface Limit {
  rates: Rates;
  policy: string;
}

/**
 * Names, quotas and windows come from the throttlers of @nestjs/throttler; the decision does not. Its guard runs after the
 * body was read and asks its storage once per throttler, so the first one counts requests that the second one refuses. Here
 * a hook asks once, before the body, and takes from both tiers or from neither.
 */
@Injectable()
export class RequestLimits {
  private readonly limits: Readonly<Record<RatesName, Limit>>;

  constructor(
    @InjectThrottlerOptions() { throttlers }: { throttlers: ThrottlerOptions[] },
    private readonly settings: RateLimitSettings,
    private readonly limiter: RateLimiter,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    const limitFor = (name: RatesName): Limit =>
      limitOf({ burst: rateOf(throttlers, `${name}-burst`), sustained: rateOf(throttlers, `${name}-sustained`) });
    this.limits = { standard: limitFor('standard'), auth: limitFor('auth') };
  }

  /**
   * Takes from both tiers of the caller or from neither. Login and registration count by address, each separately: the user is
   * not known yet, or is exactly what an attacker guesses. Password guesses of a logged-in user count by session. All others
   * count by user if the request has a valid access token, else by address. Throws RATE_LIMITED.
   */
  count(request: FastifyRequest, reply: FastifyReply, limit: RouteLimit, cost: number): void | Promise<void> {
    return this.take(reply, callerOf(request, limit), limit === 'standard' ? limit : 'auth', cost);
  }

  /** Takes more from a caller whose answer has turned out to be large, at most what it has left. The answer is not refused any more. */
  async charge(request: FastifyRequest, cost: number): Promise<void> {
    if (this.settings.mode === 'off') return;
    const { rates } = this.limits.standard;
    const caller = callerOf(request, 'standard');
    const result = await this.limiter.take(caller, rates, cost);
    const left = Math.min(result.burst.remaining, result.sustained.remaining);
    if (!result.allowed && left > 0) await this.limiter.take(caller, rates, left);
  }

  /** For routes that identify the caller themselves; adds to the amount that `count` took before. Throws RATE_LIMITED. */
  countAs(reply: FastifyReply, caller: Caller, rates: RatesName): void | Promise<void> {
    return this.take(reply, caller, rates, 1);
  }

  private take(reply: FastifyReply, caller: Caller, rates: RatesName, cost: number): void | Promise<void> {
    if (this.settings.mode === 'off') return void (reply.request.isCounted = true);
    const limit = this.limits[rates];
    const result = this.limiter.take(caller, limit.rates, cost);
    if (result instanceof Promise) return result.then((taken) => this.settle(reply, caller, limit, taken));
    this.settle(reply, caller, limit, result);
  }

  private settle(reply: FastifyReply, caller: Caller, { rates, policy }: Limit, result: TakeResult): void {
    reply.header('ratelimit-policy', policy).header('ratelimit', describe(rates, result));
    const tier = refusedTier(result);
    if (tier === null || this.settings.mode === 'dry-run') reply.request.isCounted = true;
    if (tier === null) return;
    const { ofSite } = result[tier];
    if (this.settings.mode === 'dry-run') {
      const counted = typeof caller === 'string' ? caller : ofSite ? caller.site : caller.network;
      this.log.warn({ caller: counted, tier }, 'RATE_LIMITED is not enforced because of RATE_LIMIT_MODE=dry-run');
      return;
    }
    const rate = (ofSite ? siteRatesOf(rates) : rates)[tier];
    throw HttpErrors.RATE_LIMITED(tier, rate, ofSite).withHeader('Retry-After', retryAfterOf(result[tier]));
  }
}

function callerOf({ claims, ip }: FastifyRequest, limit: RouteLimit): Caller {
  if (limit === 'standard') return claims ? `user:${claims.sub}` : callerAt(ip, 'ip');
  const name = `auth:${limit}`;
  return limit === 'password' && claims ? `${name}:${claims.sid}` : callerAt(ip, name);
}

/** Converts a throttler, whose times are in milliseconds. Throws when none has the name. */
function rateOf(throttlers: readonly ThrottlerOptions[], name: string): Rate {
  const throttler = throttlers.find((one) => one.name === name);
  if (!throttler) throw new Error(`There is no throttler named ${name}.`);
  return { quota: Number(throttler.limit), window: Number(throttler.ttl) / 1000 };
}

function limitOf(rates: Rates): Limit {
  const format = (tier: keyof Rates): string => `"${tier}";q=${rates[tier].quota};w=${rates[tier].window}`;
  return { rates, policy: `${format('burst')}, ${format('sustained')}` };
}

/** Whole seconds, at most the window: the extra slot (1/60 of it) would only confuse. Retry-After includes it. */
function describe(rates: Rates, result: TakeResult): string {
  const format = (tier: keyof Rates): string => {
    const { remaining, resetMs } = result[tier];
    return `"${tier}";r=${remaining};t=${Math.min(rates[tier].window, Math.ceil(resetMs / 1000))}`;
  };
  return `${format('burst')}, ${format('sustained')}`;
}
