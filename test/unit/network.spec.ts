// Client networks for rate limits and lines, and the match of trusted proxies.
import { describe, expect, it } from '@jest/globals';
import { matcherOf, networksOf, widestNetworkOf } from '../../src/shared/libs/network.js';

describe('the network of a client', () => {
  it.each([
    ['an IPv4 address', '192.0.2.1', '192.0.2.1'],
    ['an IPv4 address with a port', '192.0.2.1:1024', '192.0.2.1'],
    ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['an IPv6 address in upper case', '2001:DB8:1:2::6', '2001:db8:1:2::/64'],
    ['an IPv6 address with a port', '[2001:db8:1:2::6]:443', '2001:db8:1:2::/64'],
    ['an IPv6 address with a zone', 'fe80::1%eth0', 'fe80::/64'],
    ['loopback', '::1', '::1'],
    ['a mapped IPv4 address', '::ffff:192.0.2.1', '192.0.2.1'],
    ['a mapped IPv4 address in hexadecimal', '::ffff:c000:201', '192.0.2.1'],
    ['NAT64', '64:ff9b::c000:201', '192.0.2.1'],
    ['NAT64 in dotted form', '64:ff9b::192.0.2.1', '192.0.2.1'],
    ['NAT64 with a local prefix', '64:ff9b:1::c000:201', '192.0.2.1'],
    ['stateless translation', '::ffff:0:c000:201', '192.0.2.1'],
    ['6to4', '2002:c000:201:7::1', '192.0.2.1'],
    ['no address', 'unknown', 'unknown'],
    ['an empty text', '', ''],
    ['a long text', 'x'.repeat(10_000), 'x'.repeat(10_000)],
  ])('returns the network of %s', (_what, address, network) => {
    expect(networksOf(address).network).toBe(network);
  });

  it('keeps two IPv4 clients behind NAT64 apart', () => {
    const [one, two] = ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.2'].map((address) => networksOf(address).network);
    expect(one).not.toBe(two);
  });
});

describe('the wide networks of a client', () => {
  it.each([
    ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1::/48', '2001:db8:1::/48'],
    ['an IPv6 address with a port', '[2001:DB8:1:ffff::6]:443', '2001:db8:1::/48', '2001:db8:1::/48'],
    ['an IPv4 address', '192.0.2.77', null, '192.0.2.0/24'],
    ['an IPv4 address with a port', '192.0.2.1:1024', null, '192.0.2.0/24'],
    ['a mapped IPv4 address', '::ffff:192.0.2.1', null, '192.0.2.0/24'],
    ['6to4', '2002:c000:201:7::1', null, '192.0.2.0/24'],
    ['loopback', '::1', null, '::1'],
    ['no address', 'unknown', null, 'unknown'],
  ])('are those of %s', (_what, address, site, widest) => {
    expect([networksOf(address).site, widestNetworkOf(address)]).toEqual([site, widest]);
  });
});

describe('matcherOf', () => {
  it('matches addresses and ranges, including mapped addresses', () => {
    const isTrusted = matcherOf(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']);
    const matches = ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', '2001:db8:1::1', '192.0.2.2', '11.0.0.1', '::1'].map(
      isTrusted,
    );
    expect(matches).toEqual([true, true, true, true, false, false, false]);
  });

  it('matches nothing with an empty list', () => {
    expect(matcherOf([])('127.0.0.1')).toBe(false);
  });
});
