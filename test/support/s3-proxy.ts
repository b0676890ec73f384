// Stands before an S3 server and makes trouble: request by request a test decides what becomes of it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * `delay`: half a second late. `refuse`: 503. `lose`: it is done, but the answer is lost. `hang`: nothing comes. `stall`: half of the answer's first
 * piece comes, and then nothing. `break`: half of it comes, and the end of the connection. `deaf`: its Range is not heard.
 */
export type Fate = 'pass' | 'delay' | 'refuse' | 'lose' | 'hang' | 'stall' | 'break' | 'deaf';

export class S3Proxy {
  /** `PUT ?partNumber=1&uploadId&x-id`, one by one. */
  readonly seen: string[] = [];
  /** Those that the server has answered. */
  readonly answered: string[] = [];
  /** Connections, since it began. */
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
    server.keepAliveTimeout = 0; // a busy machine is no reason to end a connection
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
