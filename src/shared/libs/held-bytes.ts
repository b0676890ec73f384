// Bytes that clients hold in memory: limited per network, per /48 network and in total.
import type { Networks } from './network.js';
import { NetworkSums, siteShareOf } from './network-sums.js';

/** Bytes. */
export interface HeldLimits {
  ofNetwork: number;
  /** Beyond this total, networks with more than their share are refused. */
  ofAll: number;
  /** A network is never refused because of others outside its /48 while it holds at most so much. */
  share: number;
}

export class HeldBytes {
  private readonly sums = new NetworkSums();
  private readonly ofSite: number;
  private total = 0;

  constructor(private readonly limits: HeldLimits) {
    this.ofSite = siteShareOf(limits.ofNetwork, limits.ofAll); // otherwise one /48 would have its networks' shares 65,536 times
  }

  hasSpaceFor(networks: Networks, bytes: number): boolean {
    const { ofNetwork, ofAll, share } = this.limits;
    if (this.sums.ofSite(networks) + bytes > this.ofSite) return false;
    const own = this.sums.ofNetwork(networks) + bytes;
    return own <= share || (own <= ofNetwork && this.total + bytes <= ofAll);
  }

  /** Returns a function that takes them away; it may be called again. */
  add(networks: Networks, bytes: number): () => void {
    this.change(networks, bytes);
    let counted = bytes;
    return () => {
      this.change(networks, -counted);
      counted = 0;
    };
  }

  private change(networks: Networks, bytes: number): void {
    this.total += bytes;
    this.sums.add(networks, bytes);
  }
}
