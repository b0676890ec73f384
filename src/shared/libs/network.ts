// Addresses of clients: what counts as one client, and who is a trusted proxy.
import { isIPv4, isIPv6 } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';

/** Where an IPv6 address of a translated IPv4 client holds that IPv4 address: the first of its four bytes. */
const EMBEDDED_AT: Partial<Record<string, number>> = {
  ipv4Mapped: 12, // ::ffff:0:0/96
  rfc6145: 12, // ::ffff:0:0:0/96, stateless translation
  rfc6052: 12, // 64:ff9b::/96, NAT64: all IPv4 clients share one /64
  '6to4': 2, // 2002::/16: whoever has one IPv4 address has 65,536 networks of it
};

/**
 * What one client has: an IPv4 address, of IPv6 the /64 network, of a translated address the IPv4 address within.
 * Some proxies add a port. What is no address stays as it is.
 */
export function networkOf(client: string): string {
  const address = client.replace(/^(\d+(?:\.\d+){3}|\[.*\]):\d+$/, '$1').replace(/^\[(.*)\]$/, '$1');
  if (isIPv4(address) || !isIPv6(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  const range = parsed.range();
  if (range === 'loopback') return '::1';
  const bytes = parsed.toByteArray();
  const at = EMBEDDED_AT[range];
  if (at !== undefined) return bytes.slice(at, at + 4).join('.');
  return `${ipaddr.fromByteArray([...bytes.slice(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).toString()}/64`;
}

/** Says whether an address is one of `proxies`, addresses and CIDR ranges, exactly as Fastify decides it. */
export function matcherOf(proxies: readonly string[]): (address: string) => boolean {
  if (proxies.length === 0) return () => false;
  const isListed = proxyAddr.compile([...proxies]);
  return (address) => isListed(address, 0);
}
