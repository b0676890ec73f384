// A TCP line to a server that a test can make silent or cut, as a network does.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export class Line {
  private readonly sockets = new Set<Socket>();
  private silent = false;

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    /** The target's address, but through the line. */
    readonly url: string,
  ) {}

  static async to(url: string): Promise<Line> {
    const { hostname, port } = new URL(url);
    const server = createServer((near) => line.join(near, connect(Number(port), hostname)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((server.address() as AddressInfo).port);
    const line = new Line(server, through.href);
    return line;
  }

  /** From now on nothing comes through, and neither end is told. */
  silence(): void {
    this.silent = true;
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** Ends all connections and takes no new ones. */
  async cut(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => (this.sockets.delete(one), other.destroy()));
      if (!this.silent) one.pipe(other);
    }
  }
}
