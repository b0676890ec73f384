// The WebSockets of this process: accepts handshakes, keeps connections alive, and closes them when the server stops.
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WebSocketServer, type WebSocket } from 'ws';
import { unavailable } from '../../common/http/filters/to-problem.js';
import { type Handshake, handshakeOf, leaveHttp } from '../../common/http/hooks/upgrades.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Clock } from '../../shared/libs/clock.js';
import { requestContext } from '../../shared/logging/request-context.js';
import { Clients } from '../clients/clients.js';
import { Feeds } from '../feeds/feeds.js';
import { JobProgressSignals, type Progress } from '../job-progress.signals.js';
import { RealtimeErrors } from '../realtime.errors.js';
import { RealtimeSettings } from '../realtime.settings.js';
import { Admission, BEARER_PROTOCOL } from './admission.js';
import { CLOSE, Connection } from './connection.js';
import { MIN_COMPRESSED } from './outlet.js';

const MAX_PAYLOAD = 65_536;
/** How long a client has to answer a close. */
const CLOSE_MS = 5_000;
const BEAT_MS = 20_000;
const TICK_MS = 1_000;

@Injectable()
export class Sockets implements OnModuleInit, BeforeApplicationShutdown {
  private readonly server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_PAYLOAD,
    ...({ closeTimeout: CLOSE_MS } as object), // absent from the types
    perMessageDeflate: {
      threshold: MIN_COMPRESSED,
      // Otherwise each socket would keep the state of a compressor, some 300 KB.
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
    },
    handleProtocols: (protocols) => (protocols.has(BEARER_PROTOCOL) ? BEARER_PROTOCOL : false),
  });
  /** By the time of the heartbeat, so that not all are due at once. */
  private readonly slots = Array.from({ length: BEAT_MS / TICK_MS }, () => new Set<Connection>());
  private readonly ofUser = new Map<string, Set<Connection>>();
  private slot = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly admission: Admission,
    private readonly clients: Clients,
    private readonly feeds: Feeds,
    private readonly settings: RealtimeSettings,
    private readonly progress: JobProgressSignals,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
    this.progress.listen((one) => this.sendProgress(one));
  }

  /** Resolves when the sockets that `Clients` has ended are closed: an open one would block the end of the HTTP server. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.closeAll();
    clearInterval(this.timer);
  }

  /** Closes all sockets with 1012 and refuses further ones. A client has some seconds to answer. */
  async closeAll(): Promise<void> {
    this.clients.endAll();
    await Promise.all(this.slots.flatMap((slot) => [...slot].map(({ closed }) => closed)));
  }

  /**
   * Opens a WebSocket. One without a valid token is opened and closed with a code, since a browser does not show its page the status of a
   * refused handshake. Throws UPGRADE_REQUIRED, ORIGIN_REFUSED, SERVICE_UNAVAILABLE.
   */
  async accept(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const handshake = handshakeOf(request);
    if (!handshake) throw RealtimeErrors.UPGRADE_REQUIRED().withHeader('Upgrade', 'websocket');
    this.admission.checkOrigin(request);
    const found = await this.admission.findUser(request);
    if (this.clients.isStopping) throw unavailable();
    const ws = this.upgrade(request, reply, handshake);
    if (!found) return void ws?.close(CLOSE.token, 'AUTH_TOKEN_INVALID');
    const { claims, principal } = found;
    const actor = { id: principal.id, key: principal.key, role: principal.role, sessionId: principal.sessionId };
    const { feeds, clock, settings } = this;
    if (ws)
      this.add(
        new Connection({ ws, socket: handshake.socket, actor, claims, feeds, clock, maxUnread: settings.maxUnread }),
        request.ip,
      );
  }

  /** Returns undefined when the client is gone. */
  private upgrade(request: FastifyRequest, reply: FastifyReply, handshake: Handshake): WebSocket | undefined {
    leaveHttp(reply, handshake);
    let opened: WebSocket | undefined;
    // The socket lives longer than the request, whose end cancels the work in its context.
    requestContext.exit(() => {
      this.server.handleUpgrade(request.raw, handshake.socket, handshake.head, (ws) => (opened = ws));
    });
    return opened;
  }

  private add(connection: Connection, address: string): void {
    try {
      const remove = this.clients.add(connection, address);
      const slot = this.slots[this.slot] as Set<Connection>;
      slot.add(connection);
      const { id } = connection.actor;
      const own = this.ofUser.get(id) ?? new Set();
      this.ofUser.set(id, own.add(connection));
      void connection.closed.then(() => {
        remove();
        slot.delete(connection);
        own.delete(connection);
        if (own.size === 0) this.ofUser.delete(id);
      });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      connection.close(CLOSE.tooMany, error.code);
    }
  }

  private tick(): void {
    this.slot = (this.slot + 1) % this.slots.length;
    for (const connection of this.slots[this.slot] as Set<Connection>) connection.beat();
    for (const slot of this.slots) for (const connection of slot) connection.endIfSlow(this.settings.slowReaderTimeout);
  }

  private sendProgress({ ownerId, ...job }: Progress): void {
    const connections = this.ofUser.get(ownerId);
    if (!connections) return;
    const message = Buffer.from(JSON.stringify({ type: 'JOB_PROGRESS', job, timestamp: new Date(this.clock.now()) }));
    for (const connection of connections) connection.sendPassing('jobs', message);
  }
}
