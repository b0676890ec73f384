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
function serverWith(total: number, perNetwork: number): (address: string) => FakeSocket {
  const server = new EventEmitter();
  const settings = { maxConnections: { total, perNetwork }, trustProxy: [] } as unknown as HttpSettings;
  limitConnections(server as Server, settings, { warn: () => undefined } as unknown as Logger, new ManualClock());
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
  ])('are %s at most; other networks still connect', (_what, total, perNetwork, most) => {
    const open = serverWith(total, perNetwork);
    const crowd = Array.from({ length: 900 }, (_, at) => open(`2001:db8:1:${at.toString(16)}::1`));
    const accepted = crowd.filter(({ refused }) => !refused);
    expect(accepted).toHaveLength(most);
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
