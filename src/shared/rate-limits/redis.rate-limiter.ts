// Rate limits counted in Redis for all processes together; while it is unreachable, in this process alone.
import type { Rate } from '../config/variables.js';
import type { Clock } from '../libs/clock.js';
import { MemoryRateLimiter } from './memory.rate-limiter.js';
import {
  type Caller,
  type Count,
  priceOf,
  RateLimiter,
  type Rates,
  resultOf,
  siteRatesOf,
  type TakeResult,
} from './rate-limiter.js';
import { type Redis, RedisUnavailableError } from '../redis/redis.js';

/** The time, then `allowed`, `remaining` and `resetMs` of each tier: of the network, then of its /48 network. */
type Answer = readonly number[];

/**
 * While Redis is unreachable, each process allows a whole quota: N processes allow N times as much. The alternatives are no
 * limit at all, or a 503 for all callers.
 */
export class RedisRateLimiter extends RateLimiter {
  private readonly local: MemoryRateLimiter;
  private readonly takenLocally = new WeakSet<TakeResult>();

  constructor(
    private readonly redis: Redis,
    clock: Clock,
  ) {
    super();
    this.local = new MemoryRateLimiter(clock);
  }

  override take(caller: Caller, rates: Rates, cost: number): TakeResult | Promise<TakeResult> {
    if (!this.redis.isUp) return this.takeLocally(caller, rates, cost);
    return this.redis
      .script<Answer>('limit-take', this.keysOf(caller), takeArguments(caller, rates, cost))
      .then(toTakeResult, (error: unknown) => {
        if (error instanceof RedisUnavailableError) return this.takeLocally(caller, rates, cost);
        throw error;
      });
  }

  override async refund(caller: Caller, rates: Rates, cost: number, result: TakeResult): Promise<void> {
    if (this.takenLocally.has(result)) return this.local.refund(caller, rates, cost, result);
    try {
      const args = refundArguments(caller, rates, cost, result.takenAt);
      await this.redis.script('limit-refund', this.keysOf(caller), args);
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) throw error;
    }
  }

  private takeLocally(caller: Caller, rates: Rates, cost: number): TakeResult {
    const result = this.local.take(caller, rates, cost);
    this.takenLocally.add(result);
    return result;
  }

  /**
   * All keys have the same hash tag: a cluster runs a script only on keys of one slot. So the tag of an IPv6 network is its /48,
   * whose counts are in the same step.
   */
  private keysOf(caller: Caller): string[] {
    const limit = `${this.redis.prefix}:limit:`;
    if (typeof caller === 'string') return keysOfTiers(`${limit}{${caller}}`);
    const { network, site } = caller;
    if (site === null) return keysOfTiers(`${limit}{${network}}`);
    return [...keysOfTiers(`${limit}{${site}}:${network}`), ...keysOfTiers(`${limit}{${site}}`)];
  }
}

function keysOfTiers(key: string): [string, string] {
  return [`${key}:burst`, `${key}:sustained`];
}

function takeArguments(caller: Caller, rates: Rates, cost: number): number[] {
  const prices = [priceOf(rates.burst, cost), priceOf(rates.sustained, cost)] as const;
  const of = ({ burst, sustained }: Rates): number[] => [
    ...[burst.quota, burst.window * 1000, prices[0]],
    ...[sustained.quota, sustained.window * 1000, prices[1]],
  ];
  return hasSite(caller) ? [...of(rates), ...of(siteRatesOf(rates))] : of(rates);
}

function refundArguments(caller: Caller, { burst, sustained }: Rates, cost: number, takenAt: number): number[] {
  const of = (rate: Rate): number[] => [rate.window * 1000, priceOf(rate, cost)];
  const tiers = [...of(burst), ...of(sustained)];
  return [takenAt, ...tiers, ...(hasSite(caller) ? tiers : [])];
}

function hasSite(caller: Caller): boolean {
  return typeof caller !== 'string' && caller.site !== null;
}

function toTakeResult(answer: Answer): TakeResult {
  const countAt = (at: number): Count => ({
    allowed: answer[at] === 1,
    remaining: answer[at + 1] as number,
    resetMs: answer[at + 2] as number,
  });
  const tiersAt = (at: number): Record<keyof Rates, Count> => ({ burst: countAt(at), sustained: countAt(at + 3) });
  return resultOf(answer[0] as number, tiersAt(1), answer.length > 7 ? tiersAt(7) : null);
}
