// Limits chunked bodies (RFC 9112, 7.1): the client chooses the chunk sizes, and each chunk costs the same to read.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { HttpErrors } from '../http.errors.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for a chunked body only. */
    bodyChunks: BodyChunks | undefined;
  }
}

/** Smaller chunks that arrive at once reach the reader joined. */
const DECENT_BYTES = 16_384;
/** Node's parser spends time on each chunk before we see it, so after this many chunks their mean size has a minimum. */
const MAX_TINY_CHUNKS = 1_000;
const MIN_MEAN_BYTES = 16;

/** Runs before any hook that waits: the chunks of the first packet follow at once. */
export function addChunkHook(fastify: FastifyInstance): void {
  fastify.decorateRequest('bodyChunks', undefined);
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.headers['transfer-encoding'] !== undefined) request.bodyChunks = new BodyChunks(request.raw);
    done();
  });
}

export class BodyChunks {
  /** Bytes of the body, without chunk headers and their extensions. */
  bytes = 0;
  /** The reason of a refusal. After it nothing reaches the reader any more, not even the end of the body. */
  refusal: Error | undefined;
  /** Called when the body is refused. */
  onRefused: (error: Error) => void = () => undefined;

  readonly #push: (chunk: Buffer | null) => boolean;
  #count = 0;
  #small: Buffer[] = [];
  #smallBytes = 0;
  #wantsMore = true;

  /** Create it before the first chunk is parsed: it replaces `push`, through which Node passes chunks to the reader. */
  constructor(private readonly raw: IncomingMessage) {
    this.#push = raw.push.bind(raw);
    raw.push = (chunk: Buffer | null) => this.take(chunk);
  }

  /** Accepts one chunk. True when the reader wants more now. */
  private take(chunk: Buffer | null): boolean {
    if (this.refusal) return true;
    if (chunk === null) {
      this.flush();
      return this.#push(null);
    }
    this.bytes += chunk.length;
    if (++this.#count > MAX_TINY_CHUNKS && this.bytes < this.#count * MIN_MEAN_BYTES) return this.refuse();
    this.#smallBytes += chunk.length;
    if (this.#small.push(chunk) === 1) setImmediate(() => this.flush()); // after the packet is parsed; ticks run in between
    if (this.#smallBytes >= DECENT_BYTES) this.flush();
    return this.#wantsMore;
  }

  private flush(): void {
    const small = this.#small;
    if (small.length === 0 || this.raw.destroyed) return;
    this.#small = [];
    this.#smallBytes = 0;
    this.#wantsMore = this.#push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small));
  }

  private refuse(): boolean {
    this.#small = [];
    this.refusal = HttpErrors.BAD_REQUEST(
      `The chunks of the body are too small: of more than ${MAX_TINY_CHUNKS}, the mean must be ${MIN_MEAN_BYTES} bytes or more.`,
    );
    this.onRefused(this.refusal);
    return true;
  }
}
