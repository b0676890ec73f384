// A request from its headers to the end of its response, for code that may end it early.
import { Readable } from 'node:stream';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type CancelReason,
  requestContext,
  runningRequest,
  RunningRequest,
} from '../../shared/logging/request-context.js';
import { widestNetworkOf } from '../../shared/libs/network.js';
import { unavailable } from './filters/to-problem.js';
import { streamsBody } from './hooks/body.hooks.js';
import { cutUnread } from './hooks/unread-body.js';
import { HttpErrors } from './http.errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The oldest first. */
    inFlight: Set<InFlightRequest>;
  }
}

/** The minimum rate at which a client must read a response. */
export interface MinRate {
  bytesPerSecond: number;
  /** Maximum time without reading anything, milliseconds. */
  pauseMs: number;
}

export class InFlightRequest extends RunningRequest {
  readonly #reply: FastifyReply;
  #sent = 0;
  #sentAtMs = 0;

  constructor(reply: FastifyReply) {
    super(reply.request.id);
    this.#reply = reply;
  }

  override get network(): string {
    return widestNetworkOf(this.#reply.request.ip);
  }

  /** The user that the access guard has recognised; after the request has ended, too. */
  override get actorId(): string | null {
    return this.#reply.request.user?.id ?? null;
  }

  override get address(): string {
    return this.#reply.request.ip;
  }

  override get route(): string {
    const { method, routeOptions } = this.#reply.request;
    return `${method} ${routeOptions.url ?? ''}`;
  }

  get elapsedMs(): number {
    return this.#reply.elapsedTime;
  }

  /** True when the first byte of the response is sent: its status can no longer change. */
  get isAnswering(): boolean {
    return this.#reply.raw.headersSent || this.#reply.sent;
  }

  /** True for an upload, which may take as long as its bytes keep coming; the body hooks check that. */
  get isUpload(): boolean {
    return streamsBody(this.#reply.request);
  }

  /** True for a route that may wait as long as its module allows. */
  get staysOpen(): boolean {
    return this.#reply.request.routeOptions.config.staysOpen === true;
  }

  /**
   * True when the waiting bytes are older than the rate allows. They leave the queue in chunks, so each chunk gets the time
   * that its size allows. Call it periodically.
   */
  isReadTooSlowly({ bytesPerSecond, pauseMs }: MinRate): boolean {
    const { bytesWritten, writableLength } = this.connection;
    const sent = bytesWritten - writableLength;
    if (writableLength === 0 || sent !== this.#sent) {
      this.#sent = sent;
      this.#sentAtMs = this.elapsedMs;
    }
    return this.elapsedMs - this.#sentAtMs > pauseMs + (writableLength / bytesPerSecond) * 1_000;
  }

  /** True when the connection is closed. A response queued behind others on the connection gets no close event. */
  get isOrphan(): boolean {
    return this.connection.destroyed;
  }

  get connection(): Socket {
    return this.#reply.request.raw.socket;
  }

  /** Announces the end of the connection in the response, unless its headers are already sent. */
  closeConnection(): void {
    this.#reply.raw.shouldKeepAlive = false;
  }

  isOf(userId: string, requestId: string): boolean {
    return this.requestId === requestId && this.#reply.request.user?.id === userId;
  }

  /** Answers at once, even while the handler runs, whose result is dropped. A response that has begun is cut off. */
  override cancel(reason: CancelReason): void {
    if (this.cancelled || this.#reply.raw.writableEnded) return;
    // Runs in the context of this request, not of the canceller: its log lines and statements follow.
    requestContext.run(this, () => {
      super.cancel(reason);
      if (this.isAnswering) this.#reply.raw.destroy();
      else {
        this.#reply.send(reason === 'too slow' ? unavailable() : HttpErrors.REQUEST_CANCELLED());
        closeLateStream(this.#reply);
      }
    });
  }
}

/** Fastify drops what is sent after the answer. A stream must be closed, too: its file would stay open for ever. */
function closeLateStream(reply: FastifyReply): void {
  const send = reply.send.bind(reply);
  reply.send = (payload?: unknown) => {
    if (!(payload instanceof Readable) || !reply.sent) return send(payload);
    payload.destroy();
    return reply;
  };
}

/** True for a request of a batch, which has no connection of its own. */
export function isInjected({ raw }: FastifyRequest): boolean {
  return 'isLightMyRequest' in raw;
}

/** Registers the request as in flight until its last byte is sent or its client disconnects. */
export function trackRequest(
  { inFlight }: FastifyInstance,
  reply: FastifyReply,
  onDisconnect: () => void,
): InFlightRequest {
  const running = new InFlightRequest(reply);
  const batch = isInjected(reply.request) ? runningRequest() : undefined;
  const leaveBatch = batch?.onCancel(() => running.cancel('asked'));
  inFlight.add(running);
  reply.raw.on('close', () => {
    inFlight.delete(running);
    leaveBatch?.();
    cutUnread(reply.request.raw);
    if (reply.raw.writableEnded) return;
    running.cancel('hung up');
    onDisconnect();
  });
  return running;
}
