// A body in chunks (RFC 9112, 7.1), whose sizes are the client's choice: each costs its reader the same, however small it is.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { HttpErrors } from '../http.errors.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a body in chunks; undefined for any other. */
    bodyChunks: BodyChunks | undefined;
  }
}

/** Smaller chunks reach the reader joined, as long as they come at once. */
const DECENT_BYTES = 16_384;
/** Node's parser works for each chunk before we see it. So from this number of chunks on they need a mean size. */
const MIN_CHUNKS = 1_000;
const MIN_MEAN_BYTES = 16;

/** Before any hook that waits for something: the chunks of the first packet follow at once. */
export function addChunkHook(fastify: FastifyInstance): void {
  fastify.decorateRequest('bodyChunks', undefined);
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.headers['transfer-encoding'] !== undefined) request.bodyChunks = new BodyChunks(request.raw);
    done();
  });
}

export class BodyChunks {
  /** Of the body: the frames around the chunks do not count, nor do their extensions. */
  bytes = 0;
  /** Once it is refused: why. Nothing that comes afterwards reaches the reader, the end included. */
  refusal: Error | undefined;
  /** Called when it is refused. */
  onRefused: (error: Error) => void = () => undefined;

  readonly #push: (chunk: Buffer | null) => boolean;
  #count = 0;
  #small: Buffer[] = [];
  #smallBytes = 0;
  #wantsMore = true;

  /** Before the first chunk is parsed: takes the place of `push`, by which Node hands chunks to the reader. */
  constructor(private readonly raw: IncomingMessage) {
    this.#push = raw.push.bind(raw);
    raw.push = (chunk: Buffer | null) => this.take(chunk);
  }

  /** Whether more is wanted now. */
  private take(chunk: Buffer | null): boolean {
    if (this.refusal) return true;
    if (chunk === null) {
      this.flush();
      return this.#push(null);
    }
    this.bytes += chunk.length;
    if (++this.#count >= MIN_CHUNKS && this.bytes < this.#count * MIN_MEAN_BYTES) return this.refuse();
    this.#smallBytes += chunk.length;
    if (this.#small.push(chunk) === 1) setImmediate(() => this.flush()); // once the packet is parsed; ticks run in between
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
      `The chunks of the body are too small: of more than ${MIN_CHUNKS}, the mean must be ${MIN_MEAN_BYTES} bytes or more.`,
    );
    this.onRefused(this.refusal);
    return true;
  }
}
