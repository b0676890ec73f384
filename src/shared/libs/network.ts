// Client addresses: decides which addresses count as one client and which belong to trusted proxies.
import { isIPv4, isIPv6 } from 'node:net';
import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';

/** The offset of the embedded IPv4 address (4 bytes) inside a translated IPv6 address, by address range. */
const EMBEDDED_AT: Partial<Record<string, number>> = {
  ipv4Mapped: 12, // ::ffff:0:0/96
  rfc6145: 12, // ::ffff:0:0:0/96, stateless translation
  rfc6052: 12, // 64:ff9b::/96, NAT64: all IPv4 clients share one /64
  '6to4': 2, // 2002::/16: each owner of one IPv4 address has 65,536 networks of it
};

/**
 * A /48 may have so many times what one of its /64 networks may have. It may be more than one customer: mobile carriers assign
 * each phone a /64, so the phones of a whole town may share a /48. One /64 can use up a 64th of it at most.
 */
export const SITE_FACTOR = 64;

/** The networks that count a client. */
export interface Networks {
  /** One client: an IPv4 address, or the /64 network of an IPv6 address. */
  readonly network: string;
  /** The /48 network of an IPv6 address, else null. */
  readonly site: string | null;
}

/**
 * Returns the networks that count a client. A translated address counts as the IPv4 address in it. Removes the port that some
 * proxies add. Text that is no address is returned unchanged, as a network. A /48 is what one site may get from its provider
 * (RFC 6177), for nothing: with it one machine has 65,536 networks of clients. Many IPv4 addresses are not that cheap.
 */
export function networksOf(client: string): Networks {
  const address = addressOf(client);
  if (typeof address === 'string') return { network: address, site: null };
  return { network: prefixOf(address, 64), site: prefixOf(address, 48) };
}

/** Returns the network that takes turns with others: the /48 of an IPv6 client, the /24 of an IPv4 client. */
export function widestNetworkOf(client: string): string {
  const address = addressOf(client);
  if (typeof address !== 'string') return prefixOf(address, 48);
  return isIPv4(address) ? address.replace(/\d+$/, '0/24') : address;
}

/** Returns the 16 bytes of an IPv6 address, or the text of an IPv4 address; loopback, and text that is no address, is text. */
function addressOf(client: string): string | readonly number[] {
  const address = client.replace(/^(\d+(?:\.\d+){3}|\[.*\]):\d+$/, '$1').replace(/^\[(.*)\]$/, '$1');
  if (isIPv4(address) || !isIPv6(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  const range = parsed.range();
  if (range === 'loopback') return '::1';
  const bytes = parsed.toByteArray();
  const at = EMBEDDED_AT[range];
  return at === undefined ? bytes : bytes.slice(at, at + 4).join('.');
}

function prefixOf(bytes: readonly number[], bits: 48 | 64): string {
  const prefix = bytes.map((byte, at) => (at < bits / 8 ? byte : 0));
  return `${ipaddr.fromByteArray(prefix).toString()}/${bits}`;
}

/** Returns the host as a URL writes it: an IPv6 address is in brackets (RFC 3986, 3.2.2). */
export function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Returns a function for the client's address behind trusted proxies, with the same rules as Fastify's `request.ip`. */
export function clientBehind(proxies: readonly string[]): (request: IncomingMessage) => string {
  if (proxies.length === 0) return ({ socket }) => socket.remoteAddress ?? '';
  const isListed = proxyAddr.compile([...proxies]);
  return (request) => proxyAddr(request, isListed);
}

/** Returns a test for addresses that match `proxies` (addresses and CIDR ranges), with the same rules as Fastify. */
export function matcherOf(proxies: readonly string[]): (address: string) => boolean {
  if (proxies.length === 0) return () => false;
  const isListed = proxyAddr.compile([...proxies]);
  return (address) => isListed(address, 0);
}
