// Decides which requests get log lines: all that a rate limit has counted, and a few of the others.
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../../../shared/libs/clock.js';
import { widestNetworkOf } from '../../../shared/libs/network.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Logger } from '../../../shared/logging/logger.js';

const PERIOD_MS = 1_000;
/** Requests with log lines in each period that no rate limit has counted, per network (IPv6: per /48) and in total. */
const MAX_OF_NETWORK = 5;
const MAX_OF_ALL = 50;
/** Omitted lines are reported at most once per this time, milliseconds. */
const WARNING_PERIOD_MS = 10_000;

/**
 * The rate limits bound the lines of the requests that they count. Requests that they refuse, and requests of routes without a
 * limit, have no bound but the network: 8,000 of them a second would write 2 MB of log a second.
 */
export class UncountedLines {
  private readonly ofNetwork = new Map<string, number>();
  /** A request has up to two lines: both are written, or none. */
  private readonly decisions = new WeakMap<FastifyRequest, boolean>();
  private total = 0;
  private startedAtMs = 0;
  private readonly warn: (network: string) => void;

  constructor(
    log: Logger,
    private readonly clock: Clock,
  ) {
    this.warn = throttle(
      WARNING_PERIOD_MS,
      () => clock.now(),
      (skipped, network: string) =>
        log.warn({ network, skipped }, 'Requests that no rate limit counts get no log line each: there are too many'),
    );
  }

  /** True when the lines of this request are written. */
  writes(request: FastifyRequest): boolean {
    if (request.isCounted) return true;
    let decision = this.decisions.get(request);
    if (decision === undefined) this.decisions.set(request, (decision = this.take(widestNetworkOf(request.ip))));
    return decision;
  }

  private take(network: string): boolean {
    const now = this.clock.now();
    if (now < this.startedAtMs || now >= this.startedAtMs + PERIOD_MS) {
      this.startedAtMs = now;
      this.total = 0;
      this.ofNetwork.clear();
    }
    const own = this.ofNetwork.get(network) ?? 0;
    if (own >= MAX_OF_NETWORK || this.total >= MAX_OF_ALL) {
      this.warn(network);
      return false;
    }
    this.ofNetwork.set(network, own + 1);
    this.total++;
    return true;
  }
}
