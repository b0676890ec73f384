// Rate limits counted in this process: without Redis, and while it is unreachable.
import { LRUCache } from 'lru-cache';
import type { Clock } from '../libs/clock.js';
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
import { Tier } from './tier.js';

/** Maximum of each kind of callers. A caller takes about 300 bytes, and 16 more for each used slot. */
const MAX_CALLERS = 100_000;

type Usage = Record<keyof Rates, Tier>;
type Prices = Record<keyof Rates, number>;

/**
 * Each kind of callers has a maximum of its own and evicts its least recently seen, so that a flood of one kind resets no count
 * of another. /64 networks cost an attacker nothing, and those of two /48 networks are enough to evict all others of their kind.
 * That resets neither the counts of these /48 networks nor that of an account whose password they guess. To evict accounts
 * takes 100,000 wrong passwords within LOGIN_ACCOUNT_LIMIT's 15 minutes, and a process checks about 90,000.
 */
export class MemoryRateLimiter extends RateLimiter {
  private readonly networks: CallerCounts;
  private readonly sites: CallerCounts;
  /** Users, sessions and accounts. */
  private readonly others: CallerCounts;

  constructor(
    private readonly clock: Clock,
    maxCallers = MAX_CALLERS,
  ) {
    super();
    this.networks = new CallerCounts(maxCallers);
    this.sites = new CallerCounts(maxCallers);
    this.others = new CallerCounts(maxCallers);
  }

  override take(caller: Caller, rates: Rates, cost: number): TakeResult {
    const now = this.clock.now();
    const prices = pricesOf(rates, cost);
    if (typeof caller === 'string') return alone(this.others.attempt(caller, rates, prices, now), now);
    const network = this.networks.attempt(caller.network, rates, prices, now);
    if (caller.site === null) return alone(network, now);
    const site = this.sites.attempt(caller.site, siteRatesOf(rates), prices, now);
    if (network.fits && site.fits) {
      network.take();
      site.take();
    }
    return resultOf(now, network.counts(), site.counts());
  }

  override refund(caller: Caller, rates: Rates, cost: number, { takenAt }: TakeResult): void {
    const prices = pricesOf(rates, cost);
    if (typeof caller === 'string') return this.others.refund(caller, rates, prices, takenAt);
    this.networks.refund(caller.network, rates, prices, takenAt);
    if (caller.site !== null) this.sites.refund(caller.site, rates, prices, takenAt);
  }
}

function alone(attempt: Attempt, now: number): TakeResult {
  if (attempt.fits) attempt.take();
  return resultOf(now, attempt.counts(), null);
}

function pricesOf({ burst, sustained }: Rates, cost: number): Prices {
  return { burst: priceOf(burst, cost), sustained: priceOf(sustained, cost) };
}

/** The counts of callers of one kind. A caller without usage has no entry. */
class CallerCounts {
  private readonly usages: LRUCache<string, Usage>;

  constructor(max: number) {
    this.usages = new LRUCache({ max });
  }

  attempt(name: string, rates: Rates, prices: Prices, now: number): Attempt {
    const known = this.usages.get(name);
    const usage = known ?? { burst: new Tier(), sustained: new Tier() };
    return new Attempt(usage, rates, prices, now, () => {
      if (!known) this.usages.set(name, usage);
    });
  }

  refund(name: string, rates: Rates, prices: Prices, takenAt: number): void {
    const usage = this.usages.get(name);
    if (!usage) return;
    usage.burst.remove(rates.burst, prices.burst, takenAt);
    usage.sustained.remove(rates.sustained, prices.sustained, takenAt);
    if (usage.burst.isUnused && usage.sustained.isUnused) this.usages.delete(name);
  }
}

/** An attempt at the counts of one caller. */
class Attempt {
  private readonly burstShortage: number;
  private readonly sustainedShortage: number;

  constructor(
    private readonly usage: Usage,
    private readonly rates: Rates,
    private readonly prices: Prices,
    private readonly now: number,
    private readonly keep: () => void,
  ) {
    this.burstShortage = usage.burst.shortageOf(rates.burst, prices.burst, now);
    this.sustainedShortage = usage.sustained.shortageOf(rates.sustained, prices.sustained, now);
  }

  /** True when both tiers have enough left. */
  get fits(): boolean {
    return this.burstShortage <= 0 && this.sustainedShortage <= 0;
  }

  take(): void {
    const { usage, rates, prices, now } = this;
    usage.burst.add(rates.burst, prices.burst, now);
    usage.sustained.add(rates.sustained, prices.sustained, now);
    this.keep();
  }

  counts(): Record<keyof Rates, Count> {
    const { usage, rates, now } = this;
    return {
      burst: usage.burst.state(rates.burst, this.burstShortage, now),
      sustained: usage.sustained.state(rates.sustained, this.sustainedShortage, now),
    };
  }
}
