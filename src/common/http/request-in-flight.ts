// A request from its headers to the end of its answer, as those see it who may end it early.
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type CancelReason,
  requestContext,
  runningRequest,
  RunningRequest,
} from '../../shared/logging/request-context.js';
import { unavailable } from './filters/to-problem.js';
import { streamsBody } from './hooks/body.hooks.js';
import { cutUnread } from './hooks/unread-body.js';
import { HttpErrors } from './http.errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Oldest first. */
    inFlight: Set<RequestInFlight>;
  }
}

/** At which a client must take an answer. */
export interface MinRate {
  bytesPerSecond: number;
  /** So long it may take nothing at all. */
  pauseMs: number;
}

export class RequestInFlight extends RunningRequest {
  readonly #reply: FastifyReply;
  #sent = 0;
  #sentAtMs = 0;

  constructor(reply: FastifyReply) {
    super(reply.request.id);
    this.#reply = reply;
  }

  get elapsedMs(): number {
    return this.#reply.elapsedTime;
  }

  /** The first byte of the answer is out: its status can't be changed any more. */
  get isAnswering(): boolean {
    return this.#reply.raw.headersSent || this.#reply.sent;
  }

  /** Takes as long as its bytes keep coming, which the body's own deadline sees to. */
  get isUpload(): boolean {
    return streamsBody(this.#reply.request);
  }

  /**
   * Whether the bytes that wait for its client wait longer than the rate allows. They leave the queue in chunks, not
   * one by one, so each chunk gets the time that it may take. To be asked now and then.
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

  /** Its connection is gone. An answer that stood behind others on it is not told. */
  get isOrphan(): boolean {
    return this.connection.destroyed;
  }

  get connection(): Socket {
    return this.#reply.request.raw.socket;
  }

  /** Its answer says that the connection ends, unless its headers are out. */
  closeConnection(): void {
    this.#reply.raw.shouldKeepAlive = false;
  }

  isOf(userId: string, requestId: string): boolean {
    return this.requestId === requestId && this.#reply.request.user?.id === userId;
  }

  /** Answers at once, whatever the handler waits for; what it still says is dropped. An answer that has begun is cut off. */
  override cancel(reason: CancelReason): void {
    if (this.cancelled || this.#reply.raw.writableEnded) return;
    // Not in the context of who cancels: log lines and statements of this one follow.
    requestContext.run(this, () => {
      super.cancel(reason);
      if (this.isAnswering) this.#reply.raw.destroy();
      else this.#reply.send(reason === 'too slow' ? unavailable() : HttpErrors.REQUEST_CANCELLED());
    });
  }
}

/** One of a batch, which came over no connection of its own. */
export function isInjected({ raw }: FastifyRequest): boolean {
  return 'isLightMyRequest' in raw;
}

/** From here on the request is in flight; with its last byte, or its client, it is not. */
export function enterFlight({ inFlight }: FastifyInstance, reply: FastifyReply, hungUp: () => void): RequestInFlight {
  const running = new RequestInFlight(reply);
  const batch = isInjected(reply.request) ? runningRequest() : undefined;
  const leaveBatch = batch?.onCancel(() => running.cancel('asked'));
  inFlight.add(running);
  reply.raw.on('close', () => {
    inFlight.delete(running);
    leaveBatch?.();
    cutUnread(reply.request.raw);
    if (reply.raw.writableEnded) return;
    running.cancel('hung up');
    hungUp();
  });
  return running;
}
