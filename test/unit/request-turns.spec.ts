// The turns of requests: few start in one turn of the event loop, and networks take turns.
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
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
