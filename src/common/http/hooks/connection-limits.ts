// Limits the number of connections, in total, per network and per /48 network; further ones are closed at once, unread.
import type { Server, Socket } from 'node:net';
import type { HttpSettings } from '../http.settings.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import { matcherOf, type Networks, networksOf } from '../../../shared/libs/network.js';
import { NetworkSums, siteShareOf } from '../../../shared/libs/network-sums.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Refused connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/**
 * Trusted proxies count in the total only: all clients connect through them, and with a limit per proxy one client could
 * lock out the others. The proxy has to limit the connections of each client.
 */
export function limitConnections(server: Server, http: HttpSettings, log: Logger, clock: Clock): void {
  const { total } = http.maxConnections;
  const isProxy = matcherOf(http.trustProxy);
  const warn = (setting: string) =>
    throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
      log.warn({ skipped }, `Connections are refused: ${setting} is reached`),
    ); // prettier-ignore
  server.maxConnections = total;
  server.on('drop', warn('MAX_CONNECTIONS'));
  const count = countByNetwork(http.maxConnections, warn('MAX_CONNECTIONS_PER_ADDRESS'));
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined && !isProxy(remoteAddress)) count(networksOf(remoteAddress), socket);
  });
}

function countByNetwork(
  { total, perNetwork }: HttpSettings['maxConnections'],
  onRefused: () => void,
): (networks: Networks, socket: Socket) => void {
  const open = new NetworkSums();
  const perSite = siteShareOf(perNetwork, total);
  return (networks, socket) => {
    if (open.ofNetwork(networks) >= perNetwork || open.ofSite(networks) >= perSite) {
      socket.destroy();
      return onRefused();
    }
    open.add(networks, 1);
    socket.once('close', () => open.add(networks, -1));
  };
}
