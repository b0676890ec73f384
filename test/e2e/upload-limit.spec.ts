// The uploads of one user that arrive at the same time: further ones are refused, those of others are not.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Tus } from '../support/http/tus.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { uploadFile } from '../support/jobs/job-requests.js';
import { until } from '../support/time/until.js';

let server: TestServer;
let ada: Person;
let bob: Person;
beforeAll(async () => {
  server = await startServer({ UPLOADS_PER_USER: '2' });
  [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
});
afterAll(() => server.close());

/** Begins an upload, and sends no byte of the file. */
async function begin({ accessToken }: Person): Promise<Socket> {
  const socket = connect({ port: server.port, host: '127.0.0.1' }).on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    [
      'POST /api/files HTTP/1.1',
      'Host: localhost',
      `Authorization: Bearer ${accessToken}`,
      'Content-Type: multipart/form-data; boundary=x',
      'Content-Length: 100000\r\n\r\n',
    ].join('\r\n'),
  );
  return socket;
}

const arriving = () => server.app.getHttpAdapter().getInstance().inFlight.size;

it('beyond UPLOADS_PER_USER are answered 429; others upload, and so does the user when one has ended', async () => {
  const sockets = [await begin(ada), await begin(ada), await begin(ada)];
  const answers = sockets.map(() => '');
  for (const [at, socket] of sockets.entries()) socket.on('data', (chunk: Buffer) => (answers[at] += chunk.toString()));
  await Promise.race(sockets.map((socket) => once(socket, 'close'))); // the third one, or one whose token was verified later
  const [answer] = answers.filter((text) => text !== '');
  expect(sockets.filter(({ destroyed }) => destroyed)).toHaveLength(1);
  expect(answer).toMatch(/^HTTP\/1\.1 429 [^]*retry-after: 1\r\n[^]*"TOO_MANY_UPLOADS"/i);
  expect(answer).toMatch(/connection: close/i);
  await uploadFile(bob, 'text');
  const tus = new Tus(ada.api);
  expect((await tus.patch(await tus.begin(3), 0, 'abc')).status).toBe(429);
  for (const socket of sockets) socket.destroy();
  await until(() => arriving() === 0, 'the uploads to end');
  await uploadFile(ada, 'text');
});
