// Unread responses: a real Fastify, and clients that do not read from their sockets.
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { fastify as createFastify, type FastifyInstance } from 'fastify';
import { addUnreadAnswersHook } from '../../src/common/http/hooks/unread-answers.js';
import { until } from '../support/until.js';

/** More than the operating system buffers for one connection. */
const LARGE = 'x'.repeat(16 * 1024 * 1024);

let fastify: FastifyInstance;
let port: number;
const sockets: Socket[] = [];
/** Large responses whose last byte is not sent yet. */
let unsent = 0;
beforeEach(async () => {
  unsent = 0;
  fastify = createFastify();
  addUnreadAnswersHook(fastify);
  fastify.setErrorHandler(
    (error, _request, reply) => void reply.code((error as { status?: number }).status ?? 500).send(),
  );
  fastify.get('/large', (_request, reply) => {
    unsent++;
    reply.raw.once('close', () => unsent--);
    return LARGE;
  });
  fastify.get('/small', () => 'small');
  await fastify.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = fastify.server.address() as { port: number });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await fastify.close();
});

function ask(path: string, more = ''): Socket {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
  sockets.push(socket);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`);
  return socket;
}

/** Returns the status, and the rest as it arrives. */
function read(socket: Socket): Promise<string> {
  return new Promise((resolve) =>
    socket.once('data', (data: Buffer) => resolve(data.toString('latin1', 9, 12))).resume(),
  );
}

it('unread responses to one address are limited to 32 MiB; beyond that large ones become 503, and small ones pass', async () => {
  const unread = [ask('/large').pause(), ask('/large').pause()];
  await until(() => unsent === 2, 'two responses to be in progress');
  expect(await read(ask('/large'))).toBe('503');
  expect(await read(ask('/small'))).toBe('200');
  unread[0]?.destroy();
  await until(() => unsent === 1, 'the end of one');
  expect(await read(ask('/large'))).toBe('200');
  for (const socket of unread.slice(1)) socket.resume(); // a client that reads frees space too
  await until(async () => (await read(ask('/large'))) === '200', 'free space');
});
