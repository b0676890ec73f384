// Checks slow, unread and too many sockets: each is closed within a bounded time, and other clients are served.
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BlobStore } from '../../src/storage/blobs/blob-store.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { PART, Tus } from '../support/http/tus.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

let server: TestServer;
function start(env: Record<string, string>): void {
  beforeAll(async () => {
    server = await startServer(env);
    await server.api.get('/health/live'); // opens the client's own connection
  });
  afterAll(() => server.close());
}
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/** `allowHalfOpen`: the socket can still send after the server has closed its side. */
function open({ allowHalfOpen = false } = {}): Socket {
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen }).on('error', () => undefined);
  sockets.add(socket);
  return socket;
}

/** Resolves when the socket has ended in any way: one that still sends is reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once('close', () => resolve()));
}

/** Returns what the server sends until it closes the connection. */
async function answerOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await closed(socket);
  return Buffer.concat(chunks).toString('latin1');
}

const requests = () => server.app.getHttpAdapter().getInstance().inFlight;

const head = (line: string, ...lines: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n');
const LONG = 'Content-Length: 1000000';
const CHUNKED = 'Transfer-Encoding: chunked';
const JSON_TYPE = 'Content-Type: application/json';
const FORM = 'Content-Type: multipart/form-data; boundary=x';
const FORM_HEAD = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n';

describe('a socket that sends slowly', () => {
  start({ BODY_TIMEOUT: '500', BODY_LIMIT: '100000' });
  let ada: Person;
  beforeAll(async () => void (ada = await server.registerUser()));

  /** The request, the bytes of its body that are sent again and again, and the status of the response. */
  const shapes = (upload: string): Array<[string, string, number]> => {
    const bearer = `Authorization: Bearer ${ada.accessToken}`;
    const tus = ['Tus-Resumable: 1.0.0', 'Upload-Offset: 0', `Content-Type: ${PART}`, LONG];
    return [
      [head('GET /health/live', LONG), ' ', 200],
      [head('GET /health/live', CHUNKED), '1\r\n \r\n', 200],
      [head('GET /api/tasks', bearer, JSON_TYPE, LONG), ' ', 200],
      [head('HEAD /health/live', LONG), ' ', 200],
      [head('GET /nowhere', LONG), ' ', 404],
      [head('GET /api/%zz', LONG), ' ', 400],
      [head('TRACE /api/tasks', CHUNKED), '1\r\n \r\n', 405],
      [head('PROPFIND /api/tasks', LONG), ' ', 405],
      [head('OPTIONS /api/tasks', LONG), ' ', 204],
      [head('DELETE /api/tasks/x', JSON_TYPE, 'Content-Length: 1000'), ' ', 408],
      [head('POST /api/auth/login', JSON_TYPE, 'Content-Length: 1000'), ' ', 408],
      [head('POST /api/auth/login', JSON_TYPE, CHUNKED), '1\r\n \r\n', 408],
      [head('POST /api/auth/login', JSON_TYPE, LONG), ' ', 413],
      [head('POST /api/auth/login', 'Content-Type: text/xml', LONG), ' ', 415],
      [head('POST /nowhere', JSON_TYPE, 'Content-Length: 1000'), ' ', 404],
      [head('POST /health/live', LONG), ' ', 405],
      [head('POST /api/files', FORM, LONG), 'x', 401],
      [head('POST /api/files', FORM, CHUNKED), '1\r\nx\r\n', 401],
      [head('POST /api/files', bearer, JSON_TYPE, LONG), 'x', 415],
      [head('PATCH /api/uploads/x', `Content-Type: ${PART}`, CHUNKED), '1\r\nx\r\n', 401],
      [head('POST /api/files', bearer, FORM, LONG) + FORM_HEAD, 'x', 408],
      [head(`PATCH ${upload}`, bearer, ...tus), 'x', 408],
      [head('POST /api/auth/login', JSON_TYPE, 'Content-Length: 1000', 'Expect: 100-continue'), '', 100],
      [head('POST /api/auth/login', 'Connection: Upgrade', 'Upgrade: websocket', JSON_TYPE, LONG), ' ', 413],
      [head('GET /health/live', 'Connection: Upgrade', 'Upgrade: websocket', LONG), ' ', 200],
      ['GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Any: ', 'x', 408],
    ];
  };

  it('is closed after its response on every route: 312 at once, while other clients are served', async () => {
    const uploads = await Promise.all(Array.from({ length: 12 }, () => new Tus(ada.api).begin(1_000_000)));
    const trickling = uploads.flatMap(shapes).map(([request, drip, status]) => {
      const socket = open();
      socket.write(request);
      const ended = answerOf(socket).then((text) => [request.split('\r\n')[0], Number(text.split(' ')[1]), status]);
      return { socket, drip, ended };
    });
    const dripping = setInterval(() => {
      for (const { socket, drip } of trickling) if (socket.writable && drip !== '') socket.write(drip);
    }, 100);
    try {
      expect((await server.api.get('/health/live')).status).toBe(200);
      const ends = await Promise.all(trickling.map(({ ended }) => ended));
      expect(ends.filter(([, status, expected]) => status !== expected)).toEqual([]);
      expect(ends).toHaveLength(312);
    } finally {
      clearInterval(dripping);
    }
    const left = () => new Promise<number>((resolve) => server.app.getHttpServer().getConnections((_: unknown, n: number) => resolve(n))); // prettier-ignore
    await until(async () => (await left()) < 20, 'the sockets to be gone on the server, too');
  });

  it('can continue its upload from the stored offset, so that a slow connection completes', async () => {
    const tus = new Tus(ada.api);
    const path = await tus.begin(5_000);
    const slow = tus.open(path, 0, 5_000);
    slow.socket.write('x'.repeat(100));
    await slow.closed;
    expect(slow.received).toMatch(/^HTTP\/1\.1 408 /);
    const offset = await tus.offset(path);
    expect(offset).toBeLessThanOrEqual(100); // less on a busy machine, which has not read all bytes when the time is up
    expect((await tus.patch(path, offset, 'x'.repeat(5_000 - offset))).headers.get('x-file-id')).toBeTruthy();
  });
});

describe('a response before the end of the body', () => {
  start({ BODY_LIMIT: '100000' });

  it.each<[string, number, string]>([
    ['an upload without a token', 401, head('POST /api/files', FORM, 'Content-Length: 500000000')],
    ['JSON that is too large', 413, head('POST /api/auth/login', JSON_TYPE, 'Content-Length: 500000000')],
    ['a body of a wrong type', 415, head('POST /api/auth/login', 'Content-Type: a/b', 'Content-Length: 500000000')],
    ['a method that the path does not have', 405, head('PUT /api/tasks', JSON_TYPE, 'Content-Length: 500000000')],
  ])('reaches a client that still sends, with Connection: close: %s', async (_what, status, request) => {
    const send = async (): Promise<void> => {
      const socket = open();
      socket.write(request);
      const pump = (): void => {
        while (socket.writable && socket.write(Buffer.alloc(65_536)));
      };
      pump();
      socket.on('drain', pump);
      const text = await answerOf(socket);
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nconnection: close\\r\\n`, 'i'));
      expect((JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { status: number }).status).toBe(status);
    };
    await Promise.all(Array.from({ length: 5 }, send));
  });

  it.each([
    ['of a refused upload', head('POST /api/files', FORM, 'Content-Length: 500000000'), Buffer.alloc(65_536)],
    ['in chunks', head('POST /api/files', FORM, CHUNKED), Buffer.from('1\r\nx\r\n'.repeat(10_000))],
    ['to a path that takes no body', head('GET /ping', 'Content-Length: 500000000'), Buffer.alloc(65_536)],
    ['in chunks to a path that takes no body', head('GET /ping', CHUNKED), Buffer.from('1\r\nx\r\n'.repeat(10_000))],
  ])('is followed by at most two megabytes of a body %s', async (_what, request, piece) => {
    const accepted = once(server.app.getHttpServer(), 'connection') as Promise<[Socket]>;
    const socket = open({ allowHalfOpen: true });
    const [ours] = await accepted;
    let read = 0;
    ours.once('close', () => (read = ours.bytesRead));
    socket.write(request);
    const pump = (): void => {
      while (socket.writable && socket.write(piece));
    };
    pump();
    socket.on('drain', pump);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 (200|401) /);
    await until(() => read > 0, 'the end of the connection on the server, too');
    expect(read).toBeLessThan(2_000_000);
  });

  it('keeps the connection when the body is small', async () => {
    const socket = open();
    for (let i = 0; i < 3; i++) {
      socket.write(`${head('POST /api/auth/login', 'Content-Type: a/b', 'Content-Length: 4')}body`);
      const [data] = (await once(socket, 'data')) as [Buffer];
      expect(data.toString()).toMatch(/^HTTP\/1\.1 415 [^]*\r\nconnection: keep-alive\r\n/i);
    }
  });
});

describe('a body in small chunks', () => {
  start({ BODY_TIMEOUT: '500', MIN_TRANSFER_RATE: '2000' });
  let ada: Person;
  beforeAll(async () => void (ada = await server.registerUser()));
  const bearer = () => `Authorization: Bearer ${ada.accessToken}`;
  const tusHead = (path: string) =>
    head(`PATCH ${path}`, bearer(), 'Tus-Resumable: 1.0.0', 'Upload-Offset: 0', `Content-Type: ${PART}`, CHUNKED);
  const inChunks = (text: string, size: number): string => {
    const all = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    return `${all.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`;
  };
  /** Returns a function that counts the `data` events of the body of the next request. */
  const countPieces = (): (() => number) => {
    let pieces = 0;
    server.app.getHttpServer().once('request', (request: IncomingMessage) => {
      const emit = request.emit.bind(request);
      request.emit = (event: string, ...values: unknown[]) => {
        if (event === 'data') pieces++;
        return emit(event, ...values);
      };
    });
    return () => pieces;
  };

  it('reaches its reader joined and whole: 10,000 chunks of 20 bytes arrive in fewer than 500 events', async () => {
    const content = Array.from({ length: 10_000 }, (_, i) => `line ${i}`.padEnd(19) + '\n').join('');
    const pieces = countPieces();
    const socket = open();
    socket.write(head('POST /api/files', bearer(), FORM, CHUNKED, 'Connection: close'));
    socket.write(inChunks(`${FORM_HEAD}${content}\r\n--x--\r\n`, 20));
    const answer = await answerOf(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(pieces()).toBeLessThan(500);
    const { id } = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as { id: string };
    const path = await new Tus(ada.api).begin(content.length);
    const tus = open();
    const parts = countPieces();
    tus.write(tusHead(path).replace('\r\n', '\r\nConnection: close\r\n') + inChunks(content, 20));
    expect(await answerOf(tus)).toMatch(/^HTTP\/1\.1 204 /);
    expect(parts()).toBeLessThan(500);
    const headers = { authorization: bearer().split(': ')[1] as string };
    for (const file of [id, (await new Tus(ada.api).head(path)).headers.get('x-file-id')])
      expect(await (await fetch(`${server.url}/api/files/${file}/content`, { headers })).text()).toBe(content);
  });

  it.each<[string, () => string | Promise<string>]>([
    ['JSON', () => head('POST /api/auth/login', JSON_TYPE, CHUNKED)],
    ['JSON of a logged-in user', () => head('POST /api/tasks', JSON_TYPE, CHUNKED, bearer())],
    ['a form', () => head('POST /api/files', bearer(), FORM, CHUNKED)],
    ['a part of an upload', async () => tusHead(await new Tus(ada.api).begin(1_000_000))],
  ])('is refused with a closed connection when the chunks are extremely small: %s', async (_what, request) => {
    const bytes = await request();
    const pieces = countPieces();
    const socket = open();
    socket.write(bytes + inChunks(`${FORM_HEAD}${' '.repeat(20_000)}`, 1));
    const answer = await answerOf(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*\r\nconnection: close\r\n[^]*The chunks of the body are too small/i);
    expect(pieces()).toBeLessThan(50);
  });

  it('ends a download whose client sends extremely small chunks instead of reading', async () => {
    const path = `/api/files/${await new Tus(ada.api).complete(Buffer.alloc(30_000_000, 'x'))}/content`;
    const socket = open().pause();
    socket.write(head(`GET ${path}`, bearer(), CHUNKED));
    await until(() => [...requests()].some(({ isAnswering }) => isAnswering), 'the answer to begin');
    socket.write(inChunks(' '.repeat(20_000), 1).slice(0, -5));
    await until(() => requests().size === 0, 'the end of the connection', 20_000);
  });

  it('is accepted when it is short: 500 chunks of a byte', async () => {
    const socket = open();
    socket.write(head('POST /api/tasks', bearer(), JSON_TYPE, CHUNKED, 'Connection: close'));
    socket.write(inChunks(JSON.stringify({ title: 'x'.repeat(100), description: ' y'.repeat(200) }), 1));
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 201 /);
  });

  it('counts as slow by its content only: chunk extensions are no progress', async () => {
    const slow = new Tus(ada.api);
    const socket = open();
    const ended = answerOf(socket);
    socket.write(tusHead(await slow.begin(1_000_000)));
    let drips = 0;
    const dripping = setInterval(() => {
      if (++drips === 100)
        socket.end(); // a server that counts them as progress would wait until here
      else if (socket.writable) socket.write(`1;x=${'y'.repeat(400)}\r\nz\r\n`);
    }, 50);
    try {
      expect(await ended).toMatch(/^HTTP\/1\.1 408 /);
    } finally {
      clearInterval(dripping);
    }
  });
});

describe('a client that does not read', () => {
  start({ REQUEST_TIMEOUT: '1000', BODY_TIMEOUT: '2000', MIN_TRANSFER_RATE: '100000' });
  const BYTES = 30_000_000;
  let ada: Person;
  let path: string;
  beforeAll(async () => {
    ada = await server.registerUser();
    path = `/api/files/${await new Tus(ada.api).complete(Buffer.alloc(BYTES, 'x'))}/content`;
  });
  const download = () => {
    const socket = open();
    socket.write(head(`GET ${path}`, `Authorization: Bearer ${ada.accessToken}`));
    return socket;
  };
  const inFlight = () => requests().size;

  it('is disconnected, with or without pipelined requests', async () => {
    const stuck = Array.from({ length: 20 }, () => download().pause());
    for (const socket of stuck.slice(0, 5)) socket.write(head('GET /health/live').repeat(10));
    await until(() => inFlight() >= 20, 'the downloads to begin');
    await until(() => inFlight() === 0, 'the downloads to be cut', 30_000);
    expect((await server.api.get('/health/live')).status).toBe(200);
  });

  it('for short pauses only gets the whole file', async () => {
    const socket = download();
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 3);
    });
    await until(() => received > BYTES, 'the whole file', 60_000);
    expect(received).toBeLessThan(BYTES + 2_000);
  });
});

describe('pipelined requests', () => {
  start({});
  const PING = head('GET /ping');
  const warnings = () => server.log.filter((line) => line.includes('requests ahead of their answers'));
  afterEach(() => void jest.restoreAllMocks());

  it('are all served while they are few, repeatedly', async () => {
    const socket = open();
    let answers = 0;
    socket.on('data', (data: Buffer) => (answers += data.toString().split('HTTP/1.1 200').length - 1));
    for (let round = 1; round <= 20; round++) {
      socket.write(PING.repeat(16));
      await until(() => answers === 16 * round, 'the answers');
    }
    expect(warnings()).toEqual([]);
  });

  it('close their connection when they are too many, the rest costs almost nothing, with one line in the log', async () => {
    const accepted = jest.spyOn(requests(), 'add');
    const parsed = jest.fn();
    server.app.getHttpServer().prependListener('request', parsed);
    const flooding = Array.from({ length: 5 }, () => open());
    for (const socket of flooding) socket.write(PING.repeat(1_500)); // about 50 kB, which Node reads at once
    await Promise.all(flooding.map(closed));
    expect(accepted.mock.calls.length).toBeLessThanOrEqual(5 * 16);
    expect(parsed.mock.calls.length).toBeLessThanOrEqual(5 * 17);
    expect(warnings()).toHaveLength(1);
    expect((await server.api.get('/health/live')).status).toBe(200);
  });

  it('count while the request before them waits for its body', async () => {
    const accepted = jest.spyOn(requests(), 'add');
    const upload = open();
    upload.write(head('POST /api/auth/login', JSON_TYPE, 'Content-Length: 2'));
    await until(() => accepted.mock.calls.length === 1, 'the request');
    upload.write(`{}${PING.repeat(100)}`);
    await closed(upload);
    expect(accepted).toHaveBeenCalledTimes(1);
  });

  it('run one after the other: unread downloads hold one file for each connection, and none when it is closed', async () => {
    const ada = await server.registerUser();
    // more than the system buffers of a connection hold
    const path = `/api/files/${await new Tus(ada.api).complete(Buffer.alloc(24_000_000, 'x'))}/content`;
    const opened = jest.spyOn(server.app.get(BlobStore), 'open');
    const streams = async () => Promise.all(opened.mock.results.map(({ value }) => value as Promise<Readable>));
    const unread = Array.from({ length: 5 }, () => open().pause());
    for (const socket of unread)
      socket.write(head(`GET ${path}`, `Authorization: Bearer ${ada.accessToken}`).repeat(16));
    await until(() => opened.mock.calls.length >= 5, 'the first downloads');
    for (let others = 0; others < 5; others++) expect((await ada.api.get(path)).status).toBe(200);
    expect(opened.mock.calls.length).toBe(5 + 5);
    for (const socket of unread) socket.destroy();
    await until(async () => (await streams()).every(({ destroyed }) => destroyed), 'the files to be closed');
    expect((await server.api.get('/health/live')).status).toBe(200);
    expect(opened.mock.calls.length).toBe(5 + 5);
  });

  it('do not run in the asynchronous context of the request before them', async () => {
    const ids: string[] = [];
    const socket = open();
    socket.on('data', (data: Buffer) => ids.push(...(data.toString().match(/x-request-id: \S+/gi) ?? [])));
    socket.write(head('GET /health/live', 'X-Request-Id: first') + head('GET /health/live', 'X-Request-Id: second'));
    await until(() => ids.length === 2, 'both answers');
    expect(ids.map((line) => line.split(' ')[1])).toEqual(['first', 'second']);
  });
});

describe('a client that resets its connection right after a request', () => {
  start({});
  afterEach(() => void jest.restoreAllMocks());

  it('leaves no file open', async () => {
    const opened = jest.spyOn(fs, 'createReadStream'); // as @fastify/static calls it
    for (let at = 0; at < 60; at++) {
      const socket = open();
      await once(socket, 'connect');
      socket.write(head('GET /docs/swagger-ui-bundle.js'));
      const wait = at % 3;
      if (wait > 0) await delay(wait); // the answer is at several points of its way
      socket.resetAndDestroy();
    }
    await until(() => requests().size === 0, 'nothing to be in flight');
    expect((await server.api.get('/health/live')).status).toBe(200);
    expect(opened.mock.results.length).toBeGreaterThan(0);
    const left = () => opened.mock.results.filter(({ value }) => !(value as Readable).destroyed).length;
    await until(() => left() === 0, 'the files to be closed', 20_000);
  });

  it('causes no request without an address: the limits would fail on it', async () => {
    for (let at = 0; at < 400; at += 5) {
      const sockets = Array.from({ length: 5 }, () => open());
      for (const socket of sockets)
        socket.on('connect', () => socket.write(head('GET /problems'), () => socket.resetAndDestroy()));
      await Promise.all(sockets.map(closed));
    }
    await until(() => requests().size === 0, 'nothing to be in flight');
    const answer = await server.api.get('/problems');
    const id = answer.headers.get('x-request-id') as string;
    const lines = await until(() => server.log.some((line) => line.includes(id)) && server.log, 'its line');
    expect(lines.filter((line) => line.includes('"msg":"request"') && !line.includes('"ip":"'))).toEqual([]);
    expect(lines.filter((line) => line.includes('INTERNAL_ERROR'))).toEqual([]);
  });
});

describe('connections beyond the limit', () => {
  /** Opens a connection and keeps it open after its first response. */
  const kept = async (): Promise<Socket> => {
    const socket = open();
    socket.write(head('GET /health/live'));
    const refused = closed(socket).then(() => Promise.reject(new Error('The connection was refused.')));
    await Promise.race([once(socket, 'data'), refused]);
    refused.catch(() => undefined); // it is closed at the end of the test
    return socket;
  };
  const warnings = () => server.log.filter((line) => line.includes('Connections are refused'));

  describe('of one address', () => {
    start({ MAX_CONNECTIONS_PER_ADDRESS: '12' });

    it('are closed immediately with one line in the log; closing one allows another', async () => {
      const first = [];
      for (let i = 0; i < 11; i++) first.push(await kept()); // the client of the test itself has one
      for (let i = 0; i < 20; i++) await closed(open());
      expect(warnings()).toHaveLength(1);
      expect(warnings()[0]).toContain('MAX_CONNECTIONS_PER_ADDRESS');
      first[0]?.destroy();
      await until(() => kept().then(() => true, () => false), 'a place to be free'); // prettier-ignore
      expect((await server.api.get('/health/live')).status).toBe(200);
    });
  });

  describe('of the process', () => {
    start({ MAX_CONNECTIONS: '25', MAX_CONNECTIONS_PER_ADDRESS: '2', TRUST_PROXY: '127.0.0.1' });

    it('are closed immediately too; a trusted proxy has only this limit', async () => {
      for (let i = 0; i < 24; i++) await kept();
      for (let i = 0; i < 10; i++) await closed(open());
      expect(warnings()).toHaveLength(1);
      expect(warnings()[0]).toMatch(/: MAX_CONNECTIONS is reached/);
    });
  });
});
