// A request from its headers to the end of its answer, as those see it who may end it early.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type CancelReason,
  requestContext,
  runningRequest,
  RunningRequest,
} from '../../shared/services/logging/request-context.js';
import { unavailable } from '../filters/to-problem.js';
import { streamsBody } from '../hooks/body.hooks.js';
import { HttpErrors } from '../http.errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Oldest first. */
    inFlight: Set<RequestInFlight>;
  }
}

export class RequestInFlight extends RunningRequest {
  readonly #reply: FastifyReply;

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

  /** Its connection is gone. An answer that stood behind others on it is not told. */
  get isOrphan(): boolean {
    return this.#reply.request.raw.socket.destroyed;
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
    if (reply.raw.writableEnded) return;
    running.cancel('hung up');
    hungUp();
  });
  return running;
}
