// Warns when an untrusted peer sends X-Forwarded-For: behind an unlisted proxy all clients count as one.
import type { FastifyInstance } from 'fastify';
import type { HttpSettings } from '../http.settings.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import { matcherOf } from '../../../shared/libs/network.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** At most one line per period, milliseconds: any client can send the header. */
const WARNING_PERIOD_MS = 3_600_000;

export function addProxyWarning(fastify: FastifyInstance, http: HttpSettings, log: Logger, clock: Clock): void {
  const isTrusted = matcherOf(http.trustProxy);
  const warn = throttle(
    WARNING_PERIOD_MS,
    () => clock.now(),
    (skipped, peer: string) =>
      log.warn(
        { peer, skipped },
        `Ignored X-Forwarded-For from ${peer}: if this is your proxy, list it in TRUST_PROXY; otherwise the limits count all its clients as one`,
      ),
  );
  fastify.addHook('onRequest', (request, _reply, done) => {
    const { remoteAddress } = request.raw.socket;
    if (request.headers['x-forwarded-for'] !== undefined && remoteAddress !== undefined && !isTrusted(remoteAddress))
      warn(remoteAddress);
    done();
  });
}
