// Sums of something that clients hold, per network and per /48 network: open connections, unread bytes.
import { type Networks, SITE_FACTOR } from './network.js';

/**
 * Returns how much all networks of one /48 may hold together, where each may hold `perNetwork` and all clients `total`: 64 times
 * as much as one network, but at most half of the total, so that one /48 leaves half of it to others.
 */
export function siteShareOf(perNetwork: number, total: number): number {
  return Math.max(perNetwork, Math.min(SITE_FACTOR * perNetwork, Math.floor(total / 2)));
}

export class NetworkSums {
  /** The texts of /64 and /48 networks differ. */
  private readonly sums = new Map<string, number>();

  ofNetwork({ network }: Networks): number {
    return this.sums.get(network) ?? 0;
  }

  /** Returns the sum of the /48 network; for IPv4 that of the network. */
  ofSite({ network, site }: Networks): number {
    return this.sums.get(site ?? network) ?? 0;
  }

  /** `amount`: negative to take some away. */
  add({ network, site }: Networks, amount: number): void {
    this.change(network, amount);
    if (site !== null) this.change(site, amount);
  }

  private change(network: string, amount: number): void {
    const sum = (this.sums.get(network) ?? 0) + amount;
    if (sum === 0) this.sums.delete(network);
    else this.sums.set(network, sum);
  }
}
