// Checks malformed HTTP and bodies that never arrive: each gets a 4xx or a closed connection, and the server keeps running.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { sendBytes } from '../support/http/raw-http.js';
import { startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let catalogue: Catalogue;
let token: string;
beforeAll(async () => {
  server = await startServer({ BODY_TIMEOUT: '300', BODY_LIMIT: '65536' });
  catalogue = await readCatalogue(server.api);
  token = (await server.registerUser()).accessToken;
});
afterAll(() => server.close());
afterEach(async () => {
  expect((await server.api.get('/health/ready')).status).toBe(200);
  expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});

const head = (requestLine: string, ...lines: string[]): string =>
  [requestLine, 'Host: localhost', ...lines, '', ''].join('\r\n');
const POST = 'POST /api/auth/login HTTP/1.1';
const JSON_TYPE = 'Content-Type: application/json';

async function expectAnswer(bytes: string | Uint8Array, status: number): Promise<string> {
  const answer = await sendBytes(server.port, bytes);
  if (!answer) throw new Error('The server closed without an answer.');
  expect([answer.status, faultsOf(answer, catalogue)]).toEqual([status, []]);
  return (JSON.parse(answer.text) as { code: string }).code;
}

describe('a malformed request', () => {
  it.each<[string, string, number]>([
    ['no Host', 'GET /health/live HTTP/1.1\r\n\r\n', 400],
    ['garbage', 'garbage\r\n\r\n', 400],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['an unknown method', head('HACK /api/tasks HTTP/1.1'), 400],
    ['an unknown version', head('GET /api/tasks HTTP/9.9'), 400],
    ['no path', head('GET HTTP/1.1'), 400],
    ['a space in the path', head('GET /api/tasks /x HTTP/1.1'), 400],
    ['NUL in the path', head('GET /api/\0tasks HTTP/1.1'), 400],
    ['NUL in a header', head('GET /api/tasks HTTP/1.1', 'X-Any: a\0b'), 400],
    ['a header without a colon', head('GET /api/tasks HTTP/1.1', 'nonsense'), 400],
    ['a space before the colon', head('GET /api/tasks HTTP/1.1', 'Authorization : Bearer x'), 400],
    ['a folded header', head('GET /api/tasks HTTP/1.1', 'X-Any: a', ' b'), 400],
    ['bare line feeds', 'GET /api/tasks HTTP/1.1\nHost: localhost\n\n', 400],
    ['bad percent-encoding', head('GET /api/tasks/%zz HTTP/1.1'), 400],
    ['half an UTF-8 character', head('GET /api/tasks/%C3%28 HTTP/1.1'), 400],
    ['an overlong slash', head('GET /api/tasks%C0%AFx HTTP/1.1'), 400],
    ['a path parameter too long', head(`GET /api/tasks/${'x'.repeat(129)} HTTP/1.1`), 414],
    ['a header of 20 KiB', head('GET /api/tasks HTTP/1.1', `X-Any: ${'x'.repeat(20_480)}`), 431],
    ['a path of 20 KiB', head(`GET /api/tasks?q=${'x'.repeat(20_480)} HTTP/1.1`), 431],
    ['100 headers', head('GET /nowhere HTTP/1.1', ...Array.from({ length: 100 }, (_, i) => `X-${i}: 1`)), 431],
    ['2,500 headers', head('GET /nowhere HTTP/1.1', ...Array.from({ length: 2_500 }, (_, i) => `X-${i}: 1`)), 431],
    [
      'Content-Length and Transfer-Encoding',
      `${head(POST, 'Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\nGET`,
      400,
    ],
    [
      'Transfer-Encoding in disguise',
      `${head(POST, JSON_TYPE, 'Content-Length: 2', 'Transfer-Encoding: xchunked')}{}`,
      400,
    ],
    ['two Content-Lengths', `${head(POST, 'Content-Length: 2', 'Content-Length: 3')}{}`, 400],
    ['a negative Content-Length', head(POST, JSON_TYPE, 'Content-Length: -1'), 400],
    ['a hexadecimal Content-Length', `${head(POST, JSON_TYPE, 'Content-Length: 0x2')}{}`, 400],
    ['a Content-Length beyond 64 bits', head(POST, JSON_TYPE, 'Content-Length: 99999999999999999999999'), 400],
    ['an invalid chunk size', `${head(POST, JSON_TYPE, 'Transfer-Encoding: chunked')}ZZ\r\n{}\r\n0\r\n\r\n`, 400],
    ['a chunk longer than its size', `${head(POST, JSON_TYPE, 'Transfer-Encoding: chunked')}1\r\n{}\r\n0\r\n\r\n`, 400],
    ['a method that no route has', head('PROPFIND /api/tasks HTTP/1.1'), 405],
    ['TRACE', head('TRACE /api/tasks HTTP/1.1'), 405],
    ['an asterisk as a path', head('GET * HTTP/1.1'), 400],
    ['a body where none is expected', `${head('GET /api/tasks HTTP/1.1', JSON_TYPE, 'Content-Length: 2')}{}`, 401],
    ['an unsupported expectation', `${head(POST, JSON_TYPE, 'Expect: tea', 'Content-Length: 2')}{}`, 400],
    ['the absolute form', head('GET http://evil.example.com/api/tasks HTTP/1.1'), 400],
    ['the absolute form of this host', head('GET http://localhost/api/tasks HTTP/1.1'), 400],
    ['a path without its slash', head('GET api/tasks HTTP/1.1'), 400],
    ['two Host headers', head('GET /api/tasks HTTP/1.1', 'Host: evil.example.com'), 400],
    ['two Host headers in HTTP/1.0', head('GET /api/tasks HTTP/1.0', 'hOST: evil.example.com'), 400],
    ['two hosts in one Host header', 'GET /api/tasks HTTP/1.1\r\nHost: localhost, evil.example.com\r\n\r\n', 400],
    ['a Host with a path', 'GET /api/tasks HTTP/1.1\r\nHost: localhost/x\r\n\r\n', 400],
    ['a Host with a user', 'GET /api/tasks HTTP/1.1\r\nHost: a@localhost\r\n\r\n', 400],
    ['more bytes than its Content-Length', `${head(POST, JSON_TYPE, 'Content-Length: 2')}{}{}{}`, 400],
  ])('with %s is refused, or the connection is closed', async (_what, bytes, status) => {
    await expectAnswer(bytes, status);
  });

  it('CONNECT is not supported: the connection is closed', async () => {
    expect(await sendBytes(server.port, head('CONNECT evil.example.com:443 HTTP/1.1'))).toBeNull();
  });

  it('HTTP/1.0, and 0.9 as far as it is supported, get a response', async () => {
    for (const bytes of ['GET /health/live HTTP/1.0\r\n\r\n', 'GET /health/live\r\n\r\n'])
      expect((await sendBytes(server.port, bytes))?.status).toBeLessThan(500);
  });

  it('an upgrade request gets an ordinary response', async () => {
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 13'];
    expect((await sendBytes(server.port, head('GET /health/live HTTP/1.1', ...upgrade)))?.status).toBe(200);
  });

  it('a smuggled second request does not get a response as the first caller', async () => {
    const smuggled = `GET /api/profile HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const bytes = head(POST, `Authorization: Bearer ${token}`, 'Transfer-Encoding: chunked', 'Content-Length: 4');
    const answer = await sendBytes(server.port, `${bytes}0\r\n\r\n${smuggled}`);
    expect(answer?.status).toBe(400);
    expect(answer?.headers['connection']).toBe('close');
    expect(answer?.text).not.toContain('@example.com');
  });
});

describe('a body that does not arrive', () => {
  it.each<[string, string[], number]>([
    ['is cut with 408', [JSON_TYPE, 'Content-Length: 100'], 408],
    ['is not waited for when it is too large', [JSON_TYPE, 'Content-Length: 100000000'], 413],
    ['is not waited for when its type is wrong', ['Content-Type: text/xml', 'Content-Length: 100'], 415],
  ])('%s', async (_what, lines, status) => {
    await expectAnswer(head(POST, ...lines), status);
    await expectAnswer(`${head('PATCH /api/tasks/x HTTP/1.1', ...lines)}{"tit`, status);
    await expectAnswer(head('POST /nowhere HTTP/1.1', ...lines), 404); // no route reads it
  });

  it('and is large is not waited for without a valid token', async () => {
    const post = 'POST /api/tasks HTTP/1.1';
    for (const length of ['Content-Length: 30000', 'Transfer-Encoding: chunked']) {
      await expectAnswer(head(post, JSON_TYPE, length), 401);
      await expectAnswer(head(post, JSON_TYPE, length, 'Authorization: Bearer of.no.use'), 401);
    }
  });

  it('in chunks is refused with 408', async () => {
    await expectAnswer(`${head(POST, JSON_TYPE, 'Transfer-Encoding: chunked')}2\r\n{"\r\n`, 408);
  });

  it('is refused even if a byte of it arrives now and then', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(head(POST, JSON_TYPE, 'Content-Length: 1000'));
    const drip = setInterval(() => socket.write(' '), 50);
    const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    clearInterval(drip);
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('does not delay a route that reads no body: the response is immediate, the connection is closed later', async () => {
    const open: Socket[] = [];
    for (const line of ['GET /health/live', 'HEAD /health/live', 'GET /nowhere', 'TRACE /', 'POST /api/auth/login']) {
      const socket = connect(server.port, '127.0.0.1');
      open.push(socket);
      socket.write(head(`${line} HTTP/1.1`, 'Content-Length: 100'));
      const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
      expect(answer).toMatch(/^HTTP\/1\.1 (200|404|415) /);
      socket.resume();
    }
    await new Promise((resolve) => open.at(-1)?.once('close', resolve));
    for (const socket of open) socket.destroy();
  });

  it('because its sender closed the connection causes no server error', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(server.port, '127.0.0.1');
      await new Promise<void>((resolve) =>
        socket.write(`${head(POST, JSON_TYPE, 'Content-Length: 100')}{"em`, () => resolve()),
      );
      if (i % 2) socket.resetAndDestroy();
      else socket.destroy();
    }
  });
});
