// The connections of a server that stops: each client learns that its connection ends before it would send another request.
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as afterPoll, setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/** A connection on which nothing has happened for so long is idle. */
const QUIET_MS = 250;
/** Before the rest, which is never quiet, is left to whoever closes it. */
const MAX_LOOKS = 10;
/** So long nobody new has come: those who wait for an answer do not connect again. */
const PAUSE_MS = 25;
/** Whoever comes again and again does not stop us from stopping. */
const MAX_PAUSES = 20;

export class Connections {
  /** With the bytes that had passed at the last look. */
  private readonly open = new Map<Socket, number>();

  constructor(private readonly fastify: FastifyInstance) {
    fastify.server.on('connection', (socket: Socket) => {
      this.open.set(socket, -1);
      socket.once('close', () => this.open.delete(socket));
    });
  }

  /** From now on every answer says `Connection: close`, those under way included unless their headers are out. */
  drain(): void {
    const { inFlight, server } = this.fastify;
    for (const request of inFlight) request.closeConnection();
    server.prependListener('request', (_request, response) => (response.shouldKeepAlive = false));
  }

  /**
   * Refuses new connections. Connections that the kernel has accepted, and we have not, are reset when the socket that
   * listens is closed; so newcomers are held until no more come, and then served.
   */
  async stopAccepting(): Promise<void> {
    const { server } = this.fastify;
    const listeners = server.listeners('connection');
    const held: Socket[] = [];
    server.removeAllListeners('connection').on('connection', (socket: Socket) => held.push(socket));
    for (let pauses = 0, before = -1; held.length > before && pauses < MAX_PAUSES; pauses++) {
      before = held.length;
      await delay(PAUSE_MS);
      await afterPoll(); // a busy process has not looked for newcomers when its timer fires
    }
    NetServer.prototype.close.call(server); // that of HTTP would close idle connections at once
    server.removeAllListeners('connection');
    for (const listener of listeners) server.on('connection', listener as (socket: Socket) => void);
    for (const socket of held) server.emit('connection', socket);
  }

  /** Closes idle connections, now and, until the returned function is called, as they become idle. Resolves when the rest is busy. */
  async closeQuiet(): Promise<() => void> {
    for (let looks = 0; this.closeUnchanged() > 0 && looks < MAX_LOOKS; looks++) {
      await delay(QUIET_MS);
      await afterPoll(); // what has come by now was read
    }
    const timer = setInterval(() => setImmediate(() => this.closeUnchanged()), QUIET_MS);
    return () => clearInterval(timer);
  }

  /** Those that never said a word too, as browsers open them in advance. Returns how many idle ones are left. */
  private closeUnchanged(): number {
    const busy = new Set<Socket>();
    for (const request of this.fastify.inFlight) busy.add(request.connection);
    let left = 0;
    for (const [socket, before] of this.open) {
      if (busy.has(socket)) continue;
      const bytes = socket.bytesRead + socket.bytesWritten;
      if (bytes === before) socket.destroy();
      else left++;
      this.open.set(socket, bytes);
    }
    return left;
  }
}
