// Limits the number of connections, in total, per network and per /48 network; further ones are closed at once, unread.
import type { Server, Socket } from 'node:net';
import type { HttpSettings } from '../http.settings.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import { matcherOf, networksOf } from '../../../shared/libs/network.js';
import { NetworkSums, siteShareOf } from '../../../shared/libs/network-sums.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Refused connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;
/** Connections beyond the total that Node still accepts: one of them may take the place of another one, which is closing. */
const HEADROOM = 100;

/**
 * Trusted proxies count in the total only: all clients connect through them, and with a limit per proxy one client could
 * lock out the others. The proxy has to limit the connections of each client.
 *
 * When the total is reached, a client still connects: a connection of a network that holds many is closed (`displaceFor`). Otherwise
 * a few machines with a thousand idle connections, slow uploads or slow downloads each would lock out all others. `isBusy`: a
 * request is unanswered.
 */
export function limitConnections(
  server: Server,
  http: HttpSettings,
  isBusy: (socket: Socket) => boolean,
  log: Logger,
  clock: Clock,
): void {
  const { total, perNetwork } = http.maxConnections;
  const isProxy = matcherOf(http.trustProxy);
  const warn = (setting: string) =>
    throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
      log.warn({ skipped }, `Connections are refused: ${setting} is reached`),
    ); // prettier-ignore
  const [warnOfTotal, warnOfNetwork] = [warn('MAX_CONNECTIONS'), warn('MAX_CONNECTIONS_PER_ADDRESS')];
  server.maxConnections = total + HEADROOM;
  server.on('drop', warnOfTotal);
  const sums = new NetworkSums();
  const perSite = siteShareOf(perNetwork, total);
  const byNetwork = new ConnectionsByNetwork();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket; // Node remembers it, also for the time after the end of the connection
    if (remoteAddress === undefined) return void socket.destroy(); // reset already: its requests would have no address
    const networks = isProxy(remoteAddress) ? null : networksOf(remoteAddress);
    if (networks && (sums.ofNetwork(networks) >= perNetwork || sums.ofSite(networks) >= perSite)) {
      socket.destroy();
      return warnOfNetwork();
    }
    if (byNetwork.size >= total && !byNetwork.displaceFor(networks?.network, isBusy)) {
      socket.destroy();
      return warnOfTotal();
    }
    byNetwork.add(networks?.network, socket);
    if (networks) sums.add(networks, 1);
    socket.once('close', () => {
      byNetwork.delete(networks?.network, socket);
      if (networks) sums.add(networks, -1);
    });
  });
}

/** The open connections, the oldest first. Those of trusted proxies, without a network, are only counted. */
class ConnectionsByNetwork {
  private readonly groups = new Map<string, Set<Socket>>();
  private ofProxies = 0;
  private inGroups = 0;

  get size(): number {
    return this.ofProxies + this.inGroups;
  }

  add(network: string | undefined, socket: Socket): void {
    if (network === undefined) return void this.ofProxies++;
    const group = this.groups.get(network);
    if (group) group.add(socket);
    else this.groups.set(network, new Set([socket]));
    this.inGroups++;
  }

  /** Does nothing when the connection was displaced before. */
  delete(network: string | undefined, socket: Socket): void {
    if (network === undefined) return void this.ofProxies--;
    const group = this.groups.get(network);
    if (!group?.delete(socket)) return;
    this.inGroups--;
    if (group.size === 0) this.groups.delete(network);
  }

  /**
   * Closes a connection of a network that holds many: the oldest idle one of the largest network that has one and is at least half
   * as large as the largest of all; otherwise the oldest one of that. Returns false when no network has at least two connections
   * more than `network`: the two would only change places.
   */
  displaceFor(network: string | undefined, isBusy: (socket: Socket) => boolean): boolean {
    const own = network === undefined ? 0 : (this.groups.get(network)?.size ?? 0);
    let largest: [name: string, group: Set<Socket>] = ['', new Set()];
    for (const entry of this.groups) if (entry[1].size > largest[1].size) largest = entry;
    if (largest[1].size < own + 2) return false;
    const [oldest] = largest[1];
    let found: [network: string, socket: Socket] = [largest[0], oldest as Socket];
    let least = Math.max(own + 2, largest[1].size / 2);
    for (const [name, group] of this.groups) {
      const idle = group.size < least ? undefined : firstIdle(group, isBusy);
      if (!idle) continue;
      found = [name, idle];
      least = group.size + 1;
    }
    this.delete(...found);
    found[1].destroy();
    return true;
  }
}

function firstIdle(sockets: Iterable<Socket>, isBusy: (socket: Socket) => boolean): Socket | undefined {
  for (const socket of sockets) if (!isBusy(socket)) return socket;
  return undefined;
}
