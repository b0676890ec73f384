// Rate limits counted in Redis for all processes together; while it is unreachable, in this process alone.
import type { Rate } from '../config/variables.js';
import type { Clock } from '../libs/clock.js';
import { MemoryRateLimiter } from './memory.rate-limiter.js';
import { RateLimiter, type Rates, type TakeResult } from './rate-limiter.js';
import { type Redis, RedisUnavailableError } from '../redis/redis.js';

/** The time, then `allowed`, `remaining` and `resetMs` of each tier. */
type Answer = [number, number, number, number, number, number, number];

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

  override take(caller: string, rates: Rates, cost: number): TakeResult | Promise<TakeResult> {
    if (!this.redis.isUp) return this.takeLocally(caller, rates, cost);
    return this.redis
      .script<Answer>('limit-take', this.keysOf(caller), [...argumentsOf(rates), cost])
      .then(toTakeResult, (error: unknown) => {
        if (error instanceof RedisUnavailableError) return this.takeLocally(caller, rates, cost);
        throw error;
      });
  }

  override async refund(caller: string, rates: Rates, cost: number, result: TakeResult): Promise<void> {
    if (this.takenLocally.has(result)) return this.local.refund(caller, rates, cost, result);
    try {
      const args = [...argumentsOf(rates), cost, result.takenAt];
      await this.redis.script('limit-refund', this.keysOf(caller), args);
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) throw error;
    }
  }

  private takeLocally(caller: string, rates: Rates, cost: number): TakeResult {
    const result = this.local.take(caller, rates, cost);
    this.takenLocally.add(result);
    return result;
  }

  /** Both keys have the same hash tag: a cluster runs a script only on keys of one slot. */
  private keysOf(caller: string): string[] {
    const key = `${this.redis.prefix}:limit:{${caller}}`;
    return [`${key}:burst`, `${key}:sustained`];
  }
}

function argumentsOf({ burst, sustained }: Rates): number[] {
  const of = ({ quota, window }: Rate): number[] => [quota, window * 1000];
  return [...of(burst), ...of(sustained)];
}

function toTakeResult([
  takenAt,
  burst,
  burstRemaining,
  burstReset,
  sustained,
  sustainedRemaining,
  sustainedReset,
]: Answer): TakeResult {
  return {
    allowed: burst === 1 && sustained === 1,
    takenAt,
    burst: { allowed: burst === 1, remaining: burstRemaining, resetMs: burstReset },
    sustained: { allowed: sustained === 1, remaining: sustainedRemaining, resetMs: sustainedReset },
  };
}
