// Answers that clients do not read: a real Fastify, and sockets of clients that do not read.
import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { fastify as createFastify, type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { limitPipelining } from '../../src/common/http/hooks/pipelining.js';
import { addUnreadAnswersHook } from '../../src/common/http/hooks/unread-answers.js';
import { SystemClock } from '../../src/shared/libs/clock.js';
import { until } from '../support/time/until.js';

/** More than the operating system buffers for one connection. */
const LARGE = 'x'.repeat(16 * 1024 * 1024);

let fastify: FastifyInstance;
let port: number;
let sockets: Socket[];
/** Ends the requests of /slow that run. */
const finish = new EventEmitter().setMaxListeners(50);
/** Large answers whose last byte is not out, and requests that have reached their handler: of this test's server alone. */
let counts: { unsent: number; handled: number; openFiles: number };
beforeEach(async () => {
  sockets = [];
  const ours = (counts = { unsent: 0, handled: 0, openFiles: 0 });
  fastify = createFastify({ exposeHeadRoutes: true, trustProxy: true });
  limitPipelining(fastify.server, [], pino({ enabled: false }), new SystemClock());
  addUnreadAnswersHook(fastify);
  fastify.setErrorHandler(
    (error, _request, reply) => void reply.code((error as { status?: number }).status ?? 500).send('refused'),
  );
  const large = (
    _request: unknown,
    reply: { header(name: string, value: string): unknown; raw: NodeJS.EventEmitter },
  ) => {
    ours.handled++;
    ours.unsent++;
    reply.header('etag', '"1"');
    reply.raw.once('close', () => ours.unsent--);
    return LARGE;
  };
  fastify.get('/large', large);
  fastify.post('/large', large);
  fastify.post('/reserved', { config: { maxAnswerBytes: 2 * 1024 * 1024 } }, large);
  fastify.post('/slow', { config: { maxAnswerBytes: 2 * 1024 * 1024 } }, async () => {
    ours.handled++;
    await once(finish, 'now');
    return 'small';
  });
  fastify.get('/small', () => 'small');
  fastify.get('/file', (_request, reply) => {
    ours.openFiles++;
    const file = Readable.from(Array<string>(1_000).fill('x'.repeat(65_536))).once('close', () => ours.openFiles--);
    return reply.headers({ 'content-length': 65_536_000, 'content-disposition': 'attachment' }).send(file);
  });
  fastify.get('/page', () => LARGE.slice(0, 1024 * 1024));
  await fastify.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = fastify.server.address() as { port: number });
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await fastify.close();
});

const head = (line: string, from?: string): string =>
  `${line} HTTP/1.1\r\nHost: a\r\n${from === undefined ? '' : `X-Forwarded-For: ${from}\r\n`}\r\n`;

function send(text: string, localAddress = '127.0.0.1'): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
  sockets.push(socket);
  socket.write(text);
  return socket;
}

/** The first bytes of the answer; the rest is read and discarded. */
function read(socket: Socket): Promise<string> {
  return new Promise((resolve) =>
    socket.once('data', (data: Buffer) => resolve(data.toString('latin1', 0, 500))).resume(),
  );
}

async function statusOf(line: string, from?: string): Promise<string> {
  return (await read(send(head(line, from)))).slice(9, 12);
}

/** Two answers under way, which are as much as one address may leave unread. */
async function fill(): Promise<Socket[]> {
  const unread = [send(head('GET /large')).pause(), send(head('GET /large')).pause()];
  await until(() => counts.unsent === 2, 'two answers to be under way');
  return unread;
}

it('beyond 32 MiB for one address, large answers are 503 without the headers of the body, and small ones are sent', async () => {
  await fill();
  const refused = await read(send(head('GET /large')));
  expect(refused).toMatch(/^HTTP\/1\.1 503 /);
  expect(refused).not.toMatch(/etag/i);
  expect(await statusOf('GET /small')).toBe('200');
});

it('one address holds at most 64 streams that it does not read, and a refused stream is closed', async () => {
  for (let at = 0; at < 64; at++) send(head('GET /file')).pause();
  await until(() => counts.openFiles === 64, 'all streams to be under way');
  const refused = await read(send(head('GET /file')));
  expect(refused).toMatch(/^HTTP\/1\.1 503 /);
  expect(refused).not.toMatch(/content-disposition/i);
  await until(() => counts.openFiles === 64, 'the refused stream to be closed');
  for (const socket of sockets) socket.destroy();
  await until(() => counts.openFiles === 0, 'all streams to be closed');
  expect(await statusOf('GET /file')).toBe('200');
});

it('a HEAD has no body to count, and a POST has done its work, so neither is refused', async () => {
  await fill();
  expect(await statusOf('HEAD /large')).toBe('200');
  expect(await statusOf('POST /large')).toBe('200');
});

it('a POST that reserves its answer is refused before it does its work', async () => {
  await fill();
  const { handled } = counts;
  expect(await statusOf('POST /reserved')).toBe('503');
  expect(counts.handled).toBe(handled);
});

it('running requests count with what they reserve, and release it at their end', async () => {
  const answers: string[] = [];
  for (let at = 0; at < 20; at++) void statusOf('POST /slow').then((status) => answers.push(status));
  await until(
    () => counts.handled === 16 && answers.length === 4,
    'as many as fit to run, and the others to be refused',
  );
  expect(answers).toEqual(Array(4).fill('503'));
  await until(() => (finish.emit('now'), answers.length === 20), 'all to be answered');
  expect(answers.slice(4)).toEqual(Array(16).fill('200'));
  expect(await statusOf('GET /large')).toBe('200');
});

it('a network is not refused because others leave much unread', async () => {
  for (let at = 2; at < 10; at++) {
    sockets.push(...[1, 2].map(() => send(head('GET /large'), `127.0.0.${at}`).pause()));
  }
  await until(() => counts.unsent === 16, 'all of the total to be under way');
  expect(await statusOf('GET /large')).toBe('503');
  expect(await statusOf('GET /page')).toBe('200');
  expect(await statusOf('POST /reserved')).toBe('200');
});

it('all networks of one /48 may leave half of the total unread, and no more', async () => {
  for (let at = 0; at < 8; at++) sockets.push(send(head('GET /large', `2001:db8:1:${at}::1`)).pause());
  await until(() => counts.unsent === 8, 'half of the total to be under way');
  expect(await statusOf('GET /page', '2001:db8:1:ff::1')).toBe('503');
  expect(await statusOf('POST /reserved', '2001:db8:1:ff::1')).toBe('503');
  for (const other of ['2001:db8:2::1', '192.0.2.1']) expect(await statusOf('GET /large', other)).toBe('200');
  for (const socket of sockets) socket.destroy();
  await until(async () => (await statusOf('GET /page', '2001:db8:1:ff::1')) === '200', 'space');
});

it('a client that reads, or closes its connection, frees space', async () => {
  const [first, second] = await fill();
  first?.destroy();
  await until(() => counts.unsent === 1, 'the end of one');
  expect(await statusOf('GET /large')).toBe('200');
  second?.resume();
  await until(async () => (await statusOf('GET /large')) === '200', 'space');
});

it('of pipelined requests, only the answer that is being sent counts, and a closed connection releases it', async () => {
  const pipelined = send(head('GET /large').repeat(2)).pause();
  await until(() => counts.handled > 0, 'the first answer to be under way');
  expect(counts.handled).toBe(1);
  send(head('GET /large')).pause();
  await until(() => counts.unsent === 2, 'one answer of each connection to be under way');
  expect(await statusOf('GET /large')).toBe('503');
  pipelined.destroy();
  await until(async () => (await statusOf('GET /large')) === '200', 'space');
});
