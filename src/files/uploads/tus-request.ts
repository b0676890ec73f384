// A request as tus reads it. Its body is piped away from it: what nobody reads must flow, or nobody would read the answer.
import { finished, PassThrough, Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../../common/http/http.errors.js';
import { AppError } from '../../shared/libs/app-error.js';
import { runningRequest } from '../../shared/logging/request-context.js';

/** By which clients that cannot send a method say that they mean it. */
const OVERRIDE = 'x-http-method-override';
const OVERRIDABLE = ['HEAD', 'PATCH', 'DELETE'];
/** What tus is told. CORS, for one, is not its business here. */
const TOLD = /^(upload-|tus-|content-length$)/;

export class TusRequest {
  readonly web: Request;
  /** Why the body has broken off. */
  failure: AppError | undefined;
  private readonly body: PassThrough | undefined;

  /** Throws VALIDATION_FAILED when another method is meant that is none of tus. */
  constructor(
    private readonly request: FastifyRequest,
    hasId: boolean,
  ) {
    const { headers } = request;
    const method = hasId && request.method === 'POST' ? overriddenBy(headers[OVERRIDE]) : request.method;
    this.body = request.body instanceof Readable && method !== 'HEAD' ? this.pipeAway() : undefined;
    this.web = new Request('http://tus', {
      method,
      headers: [
        ...Object.entries(headers).flatMap(([name, value]) => (TOLD.test(name) ? [[name, String(value)]] : [])),
        ...(this.body ? [['content-type', request.routeOptions.config.streamsBody]] : []),
      ] as Array<[string, string]>,
      ...(this.body && { body: ReadableStream.from(this.body), duplex: 'half' }),
    });
  }

  /** Once it is answered, or about to be. */
  end(): void {
    if (!this.body) return;
    this.request.raw.unpipe(this.body).resume();
    this.body.destroy();
  }

  private pipeAway(): PassThrough {
    const { raw } = this.request;
    const body = new PassThrough().on('error', () => undefined); // nobody reads it where the client is gone already
    const breakOff = (failure: AppError): void => {
      this.failure = failure;
      body.destroy(failure);
    };
    finished(raw, { writable: false }, (error) => {
      if (error) breakOff(error instanceof AppError ? error : HttpErrors.BAD_REQUEST('The body was broken off.'));
    });
    runningRequest()?.onCancel(() => breakOff(HttpErrors.REQUEST_CANCELLED()));
    return raw.pipe(body);
  }
}

function overriddenBy(header: unknown): string {
  if (OVERRIDABLE.includes(header as string)) return header as string;
  const message = `${OVERRIDE} must be one of ${OVERRIDABLE.join(', ')}`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field: OVERRIDE, rule: 'isIn', message }]);
}
