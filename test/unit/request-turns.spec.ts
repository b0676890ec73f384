// The turns of requests: few start in one turn of the event loop, and networks take turns.
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { limitPipelining } from '../../src/common/http/hooks/pipelining.js';
import type { Logger } from '../../src/shared/logging/logger.js';
import { ManualClock } from '../support/time/manual-clock.js';

interface Started {
  address: string;
  turn: number;
}

const PROXY = '10.0.0.1';

/**
 * Sends one request from each address at once, answers each in its start, and returns the starts in order. `viaProxy`: through the
 * trusted proxy, which names the client in X-Forwarded-For.
 */
async function sendAtOnce(addresses: readonly string[], viaProxy = false): Promise<Started[]> {
  const server = new EventEmitter();
  const started: Started[] = [];
  let turn = 0;
  server.on('request', (request: { client: string }, response: EventEmitter) => {
    started.push({ address: request.client, turn });
    response.emit('close');
  });
  limitPipelining(server as Server, [PROXY], { warn: () => undefined } as unknown as Logger, new ManualClock());
  for (const client of addresses) {
    const socket = { remoteAddress: viaProxy ? PROXY : client, destroyed: false };
    server.emit('request', { client, socket, headers: { 'x-forwarded-for': client } }, new EventEmitter());
  }
  for (; started.length < addresses.length && turn < 1_000; turn++) await nextTurn();
  return started;
}

it('of 400 requests on as many connections, 8 start in a turn of the event loop', async () => {
  const started = await sendAtOnce(Array.from({ length: 400 }, () => '192.0.2.1'));
  expect(started).toHaveLength(400);
  expect(started.at(-1)?.turn).toBeGreaterThanOrEqual(400 / 8 - 2); // the first two turns of the count are one
});

it.each([
  ['on a connection of its own', false],
  ['through a trusted proxy', true],
])('a request of another network starts before the other 399 of the first one, %s', async (_where, viaProxy) => {
  const started = await sendAtOnce([...Array.from({ length: 399 }, () => '192.0.2.1'), '198.51.100.1'], viaProxy);
  expect(started.findIndex(({ address }) => address === '198.51.100.1')).toBeLessThan(10);
});

describe('requests that wait behind another one of their connection', () => {
  const HEAD = 14_000;

  /** A connection, as far as the limits use one. */
  class FakeSocket {
    destroyed = false;
    isPaused = false;
    constructor(readonly remoteAddress: string) {}
    pause(): void {
      this.isPaused = true;
    }
    resume(): void {
      this.isPaused = false;
    }
    destroy(): void {
      this.destroyed = true;
    }
  }

  let server: EventEmitter;
  let running: EventEmitter[];
  let warnings: number;
  beforeEach(() => {
    server = new EventEmitter();
    const own: EventEmitter[] = []; // the server of another test may still start requests
    running = own;
    warnings = 0;
    server.on('request', (_request, response: EventEmitter) => own.push(response));
    limitPipelining(server as Server, [], { warn: () => warnings++ } as unknown as Logger, new ManualClock());
  });

  /** Sends requests with large heads on a new connection. */
  function open(address: string, requests: number): FakeSocket {
    const socket = new FakeSocket(address);
    for (let count = 0; count < requests; count++)
      server.emit('request', { socket, url: '/', headers: {}, rawHeaders: ['x', 'y'.repeat(HEAD)] }, new EventEmitter());
    return socket;
  } // prettier-ignore

  it('hold at most 2 MiB of a network, and those of others are accepted', () => {
    const sockets = Array.from({ length: 300 }, () => open('192.0.2.1', 2));
    const kept = sockets.filter(({ destroyed }) => !destroyed).length;
    expect(kept).toBeGreaterThan(100);
    expect(kept * HEAD).toBeLessThan(2 * 1024 * 1024);
    expect(open('198.51.100.1', 2).destroyed).toBe(false);
    expect(warnings).toBe(1); // the others are counted
  });

  it('count until they start, or until their connection is gone', async () => {
    for (let round = 0; round < 5; round++) {
      running.length = 0;
      const sockets = Array.from({ length: 100 }, () => open('192.0.2.1', 2));
      expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([]);
      while (running.length < 100) await nextTurn();
      if (round % 2 === 0) for (const socket of sockets) socket.destroy();
      for (const response of running.slice(0, 100)) response.emit('close');
      if (round % 2 === 1) while (running.length < 200) await nextTurn();
    }
  });

  it('stop the reading of their connection, until the last of them has started', async () => {
    const socket = open('192.0.2.1', 3);
    expect(socket.isPaused).toBe(true);
    const states: boolean[] = [];
    for (let answered = 0; answered < 3; answered++) {
      while (running.length <= answered) await nextTurn();
      running[answered]?.emit('close');
      states.push(socket.isPaused);
    }
    expect(states).toEqual([true, false, false]);
  });
});
