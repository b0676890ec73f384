// Limits the number of connections, in total and per network; further ones are closed at once, unread.
import type { Server, Socket } from 'node:net';
import type { HttpSettings } from '../http.settings.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import { matcherOf, networksOf } from '../../../shared/libs/network.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Refused connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/**
 * Trusted proxies count in the total only: all clients connect through them, and with a limit per proxy one client could
 * lock out the others. The proxy has to limit the connections of each client.
 */
export function limitConnections(server: Server, http: HttpSettings, log: Logger, clock: Clock): void {
  const { total, perNetwork } = http.maxConnections;
  const isProxy = matcherOf(http.trustProxy);
  const warn = (setting: string) =>
    throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
      log.warn({ skipped }, `Connections are refused: ${setting} is reached`),
    ); // prettier-ignore
  server.maxConnections = total;
  server.on('drop', warn('MAX_CONNECTIONS'));
  const count = countByNetwork(perNetwork, warn('MAX_CONNECTIONS_PER_ADDRESS'));
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined && !isProxy(remoteAddress)) count(networksOf(remoteAddress).network, socket);
  });
}

function countByNetwork(limit: number, onRefused: () => void): (network: string, socket: Socket) => void {
  const counts = new Map<string, number>();
  return (network, socket) => {
    const before = counts.get(network) ?? 0;
    if (before >= limit) {
      socket.destroy();
      return onRefused();
    }
    counts.set(network, before + 1);
    socket.once('close', () => {
      const left = (counts.get(network) ?? 1) - 1;
      if (left === 0) counts.delete(network);
      else counts.set(network, left);
    });
  };
}
