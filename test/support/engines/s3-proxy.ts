// A proxy before an S3 server: a test decides the fate of each request.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * `delay`: half a second late. `refuse`: 503. `lose`: done, but the response is lost. `hang`: no response. `stall`: half of
 * the first chunk, then nothing. `break`: half of it, then the connection ends. `deaf`: the proxy removes the Range header.
 */
export type Fate = 'pass' | 'delay' | 'refuse' | 'lose' | 'hang' | 'stall' | 'break' | 'deaf';

export class S3Proxy {
  /** Requests in order, such as `PUT ?partNumber=1&uploadId&x-id`. */
  readonly seen: string[] = [];
  /** Requests that the server has answered. */
  readonly answered: string[] = [];
  /** Number of connections since the start. */
  opened = 0;
  fateOf: (request: string) => Fate = () => 'pass';
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  static async to(endpoint = ''): Promise<S3Proxy> {
    const server = createServer((request, answer) => proxy.serve(request, answer)).listen(0, '127.0.0.1');
    const proxy = new S3Proxy(server, new URL(endpoint));
    server.keepAliveTimeout = 0; // so that a busy machine does not end a connection
    server.on('connection', (socket: Socket) => {
      proxy.opened++;
      proxy.sockets.add(socket.once('close', () => proxy.sockets.delete(socket)));
    });
    await once(server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.sockets.size;
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  private serve(request: IncomingMessage, answer: ServerResponse): void {
    const { method, headers, url = '' } = request;
    const query = [...new URL(url, this.endpoint).searchParams];
    const seen = `${method} ?${query.map(([name, value]) => (name === 'partNumber' ? `${name}=${value}` : name)).join('&')}`;
    this.seen.push(seen);
    const fate = this.fateOf(seen);
    if (fate === 'hang') return void request.resume();
    if (fate === 'refuse') return void request.resume().once('end', () => answer.writeHead(503).end());
    if (fate === 'deaf') delete headers.range;
    const { hostname, port } = this.target;
    const onward = send({ hostname, port, path: url, method, headers });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    onward.on('response', (response) => {
      this.answered.push(seen);
      if (fate === 'lose') return void response.resume().once('end', () => answer.destroy());
      answer.writeHead(response.statusCode ?? 500, response.headers);
      if (fate !== 'stall' && fate !== 'break') return void response.pipe(answer);
      response.once('data', (piece: Buffer) => {
        response.pause();
        answer.write(piece.subarray(0, piece.length / 2), () => fate === 'break' && answer.destroy());
      });
    });
    setTimeout(() => request.pipe(onward), fate === 'delay' ? 500 : 0);
  }
}
