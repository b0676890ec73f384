// Closes the connections of a stopping server: each client learns that its connection ends before it sends another request.
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as afterPoll, setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/** A connection without traffic for this time is idle. */
const IDLE_MS = 250;
/** After this many checks the remaining connections, which are never idle, are left to the caller. */
const MAX_CHECKS = 10;
/** Time without new connections: clients that wait for a response do not connect again. */
const PAUSE_MS = 25;
/** Clients that connect again and again cannot prevent the stop. */
const MAX_PAUSES = 20;

export class Connections {
  /** Open sockets, with the byte count at the last check. */
  private readonly open = new Map<Socket, number>();

  constructor(private readonly fastify: FastifyInstance) {
    fastify.server.on('connection', (socket: Socket) => {
      this.open.set(socket, -1);
      socket.once('close', () => this.open.delete(socket));
    });
  }

  /** From now on every response has `Connection: close`, also running ones whose headers are not sent yet. */
  drain(): void {
    const { inFlight, server } = this.fastify;
    for (const request of inFlight) request.closeConnection();
    server.prependListener('request', (_request, response) => (response.shouldKeepAlive = false));
  }

  /**
   * Refuses new connections. Closing the listening socket resets connections that the kernel has accepted and this process
   * has not. So new connections are held until no more arrive, and are then served.
   */
  async stopAccepting(): Promise<void> {
    const { server } = this.fastify;
    const listeners = server.listeners('connection');
    const held: Socket[] = [];
    server.removeAllListeners('connection').on('connection', (socket: Socket) => held.push(socket));
    for (let pauses = 0, before = -1; held.length > before && pauses < MAX_PAUSES; pauses++) {
      before = held.length;
      await delay(PAUSE_MS);
      await afterPoll(); // a busy process has not accepted the newest connections when its timer fires
    }
    NetServer.prototype.close.call(server); // HTTP's own close would end idle connections at once
    server.removeAllListeners('connection');
    for (const listener of listeners) server.on('connection', listener as (socket: Socket) => void);
    for (const socket of held) server.emit('connection', socket);
  }

  /** Closes idle connections, and repeats this until the returned function is called. Resolves when the rest is busy. */
  async closeIdle(): Promise<() => void> {
    for (let checks = 0; this.closeUnchanged() > 0 && checks < MAX_CHECKS; checks++) {
      await delay(IDLE_MS);
      await afterPoll(); // all data that has arrived by now was read
    }
    const timer = setInterval(() => setImmediate(() => this.closeUnchanged()), IDLE_MS);
    return () => clearInterval(timer);
  }

  /** Also closes connections that never sent a byte; browsers open such in advance. Returns the number of idle ones left. */
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
