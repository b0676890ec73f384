// The limits of connections per network and per /48 network, with sockets that only have an address.
import { EventEmitter } from 'node:events';
import type { Server } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { limitConnections } from '../../src/common/http/hooks/connection-limits.js';
import type { HttpSettings } from '../../src/common/http/http.settings.js';
import type { Logger } from '../../src/shared/logging/logger.js';
import { ManualClock } from '../support/time/manual-clock.js';

class FakeSocket extends EventEmitter {
  refused = false;
  constructor(readonly remoteAddress: string) {
    super();
  }
  destroy(): void {
    this.refused = true;
  }
}

/** Returns a function that opens a connection to a server with these limits. */
function serverWith(
  total: number,
  perNetwork: number,
  isBusy: (socket: unknown) => boolean = () => false,
): (address: string) => FakeSocket {
  const server = new EventEmitter();
  const settings = { maxConnections: { total, perNetwork }, trustProxy: [] } as unknown as HttpSettings;
  limitConnections(
    server as Server,
    settings,
    isBusy,
    { warn: () => undefined } as unknown as Logger,
    new ManualClock(),
  );
  return (address) => {
    const socket = new FakeSocket(address);
    server.emit('connection', socket);
    return socket;
  };
}

describe('connections of one /48 network', () => {
  it.each([
    ['half of all', 1_000, 20, 500],
    ['64 times those of one network, if that is less', 1_000, 3, 192],
    ['those of one network, if that is more', 1_000, 800, 800],
  ])('are %s at most; other networks still connect', (_what, total, perNetwork, maxAccepted) => {
    const open = serverWith(total, perNetwork);
    const crowd = Array.from({ length: 900 }, (_, at) => open(`2001:db8:1:${at.toString(16)}::1`));
    const accepted = crowd.filter(({ refused }) => !refused);
    expect(accepted).toHaveLength(maxAccepted);
    expect(['2001:db8:2::1', '192.0.2.1'].map((address) => open(address).refused)).toEqual([false, false]);
    accepted[0]?.emit('close');
    expect([1, 2].map(() => open('2001:db8:1:ffff::1').refused)).toEqual([false, true]);
  });

  it('are as many from one /64 network as from one IPv4 address', () => {
    const open = serverWith(1_000, 3);
    for (const address of ['2001:db8:1:1::1', '192.0.2.1'])
      expect([1, 2, 3, 4].map(() => open(address).refused)).toEqual([false, false, false, true]);
  });
});

describe('when all connections are taken, a new one', () => {
  const crowd = (open: (address: string) => FakeSocket, networks: number, each: number): FakeSocket[] =>
    Array.from({ length: networks * each }, (_, at) => open(`198.51.${at % networks}.1`));

  it('takes the place of the oldest idle connection of the network that holds most', () => {
    const open = serverWith(100, 50);
    const ofMost = Array.from({ length: 40 }, () => open('192.0.2.1'));
    const others = crowd(open, 20, 3);
    expect(open('203.0.113.1').refused).toBe(false);
    expect(ofMost.map(({ refused }) => refused).indexOf(true)).toBe(0);
    expect([...ofMost.slice(1), ...others].some(({ refused }) => refused)).toBe(false);
    ofMost[0]?.emit('close');
    for (let n = 0; n < 5; n++) expect(open('203.0.113.1').refused).toBe(false);
    expect(ofMost.filter(({ refused }) => refused)).toHaveLength(6);
  });

  it('takes the place of a connection with an unanswered request only when no larger network has an idle one', () => {
    const busy = new Set<unknown>();
    const open = serverWith(100, 50, (socket) => busy.has(socket));
    const ofMost = crowd(open, 2, 50);
    for (const socket of ofMost.slice(0, -1)) busy.add(socket);
    expect(open('203.0.113.1').refused).toBe(false);
    expect(ofMost.filter(({ refused }) => refused)).toEqual(ofMost.slice(-1));
    expect(open('203.0.113.1').refused).toBe(false);
    expect(ofMost.filter(({ refused }) => refused)).toEqual([ofMost[0], ...ofMost.slice(-1)]);
  });

  it('does not take the place of an idle connection of a network that holds few, when another one holds many', () => {
    const busy = new Set<unknown>();
    const open = serverWith(100, 90, (socket) => busy.has(socket));
    const ofMost = Array.from({ length: 80 }, () => open('192.0.2.1'));
    for (const socket of ofMost) busy.add(socket);
    const ofFew = Array.from({ length: 20 }, () => open('198.51.100.1'));
    expect(open('203.0.113.1').refused).toBe(false);
    expect(ofFew.filter(({ refused }) => refused)).toEqual([]);
    expect(ofMost.filter(({ refused }) => refused)).toEqual([ofMost[0]]);
  });

  it('is refused when its network holds as many as the others', () => {
    const open = serverWith(100, 50);
    crowd(open, 10, 10);
    expect(open('198.51.3.1').refused).toBe(true);
  });
});
