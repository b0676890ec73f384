// Converts a request for tus. Pipes the body away from it: an unread body must drain, otherwise the client reads no answer.
import { finished, PassThrough, Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../../common/http/http.errors.js';
import { AppError } from '../../shared/libs/app-error.js';
import { runningRequest } from '../../shared/logging/request-context.js';

/** Header by which clients that cannot send a method name it. */
const OVERRIDE = 'x-http-method-override';
const OVERRIDABLE = ['HEAD', 'PATCH', 'DELETE'];
/** Headers that are passed to tus. Others, such as those of CORS, are handled elsewhere. */
const RESPONSE_HEADERS = /^(upload-|tus-|content-length$)/;

export class TusRequest {
  readonly web: Request;
  /** The error that interrupted the body. */
  failure: AppError | undefined;
  private readonly body: PassThrough | undefined;

  /** Throws VALIDATION_FAILED when the override names a method that tus does not have. */
  constructor(
    private readonly request: FastifyRequest,
    hasId: boolean,
  ) {
    const { headers } = request;
    const method = hasId && request.method === 'POST' ? overriddenBy(headers[OVERRIDE]) : request.method;
    this.body = request.body instanceof Readable && method !== 'HEAD' ? this.pipeBody() : undefined;
    this.web = new Request('http://tus', {
      method,
      headers: [
        ...Object.entries(headers).flatMap(([name, value]) =>
          RESPONSE_HEADERS.test(name) ? [[name, String(value)]] : [],
        ),
        ...(this.body ? [['content-type', request.routeOptions.config.streamsBody]] : []),
      ] as Array<[string, string]>,
      ...(this.body && { body: ReadableStream.from(this.body), duplex: 'half' }),
    });
  }

  /** Releases the body. Call it when the request is answered, or about to be. */
  end(): void {
    if (!this.body) return;
    this.request.raw.unpipe(this.body).resume();
    this.body.destroy();
  }

  private pipeBody(): PassThrough {
    const { raw } = this.request;
    const body = new PassThrough().on('error', () => undefined); // has no reader when the client has disconnected already
    const abortBody = (failure: AppError): void => {
      this.failure = failure;
      body.destroy(failure);
    };
    finished(raw, { writable: false }, (error) => {
      if (error) abortBody(error instanceof AppError ? error : HttpErrors.BAD_REQUEST('The body was broken off.'));
    });
    runningRequest()?.onCancel(() => abortBody(HttpErrors.REQUEST_CANCELLED()));
    return raw.pipe(body);
  }
}

function overriddenBy(header: unknown): string {
  if (OVERRIDABLE.includes(header as string)) return header as string;
  const message = `${OVERRIDE} must be one of ${OVERRIDABLE.join(', ')}`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field: OVERRIDE, rule: 'isIn', message }]);
}
