// Runs several requests of one caller as if each had arrived separately, without the network.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest, LightMyRequestResponse } from 'fastify';
import type { AppError } from '../shared/libs/app-error.js';
import { runningRequest } from '../shared/logging/request-context.js';
import { PROBLEM_JSON, toProblem } from '../common/http/filters/problem.filter.js';
import { HttpErrors } from '../common/http/http.errors.js';
import type { BatchAnswer, BatchRequestDto } from './dto/batch.dto.js';

/** All responses together: they stay in memory until the last one is complete. */
export const MAX_BYTES = 2 * 1024 * 1024;
/** The response headers that a batch keeps: those about the content, and the caller's limits. */
const ANSWER_HEADERS =
  'allow content-type etag link location ratelimit ratelimit-policy retry-after x-request-id'.split(' ');
const MAX_ID = 64;
/** The error code of an injected request whose response was destroyed. */
const CUT_OFF = 'LIGHT_ECONNRESET';

/** A running request of a batch. `remainingBytes`: bytes left for its response. */
interface Turn {
  request: BatchRequestDto;
  requestId: string;
  caller: FastifyRequest;
  remainingBytes: number;
}

@Injectable()
export class BatchService {
  constructor(private readonly host: HttpAdapterHost) {}

  /** Runs the requests in sequence; a failure does not affect the others. A cancel of the batch skips the rest. */
  async run(requests: readonly BatchRequestDto[], caller: FastifyRequest): Promise<BatchAnswer[]> {
    const answers: BatchAnswer[] = [];
    let remainingBytes = MAX_BYTES;
    for (const [index, request] of requests.entries()) {
      if (runningRequest()?.cancelled) break; // already answered
      const suffix = `.${index + 1}`;
      const requestId = caller.id.slice(0, MAX_ID - suffix.length) + suffix;
      const { answer, bytes } = await this.runOne({ request, requestId, caller, remainingBytes });
      answers.push(answer);
      remainingBytes -= bytes;
    }
    return answers;
  }

  private async runOne(turn: Turn): Promise<{ answer: BatchAnswer; bytes: number }> {
    if (turn.remainingBytes <= 0)
      return refused(
        turn,
        HttpErrors.BATCH_TOO_LARGE('Not run: the answers before it have used up the size limit of the batch.'),
        0,
      );
    try {
      return await this.readOne(turn, await this.inject(turn));
    } catch (error) {
      if ((error as { code?: unknown }).code !== CUT_OFF) throw error;
      return refused(turn, HttpErrors.REQUEST_CANCELLED(), 0); // cancelled by its own id in the middle of its response
    }
  }

  private async readOne(turn: Turn, response: LightMyRequestResponse): Promise<{ answer: BatchAnswer; bytes: number }> {
    const { statusCode: status, headers } = response;
    const { body, length } = await readUpTo(turn.remainingBytes, response);
    if (length > 0 && !isJson(headers))
      return refused(turn, HttpErrors.BATCH_NOT_JSON(String(headers['content-type'])), 0);
    if (length > turn.remainingBytes) {
      const detail = `It was run and answered ${status}, but its body exceeds what is left of the size limit of the batch.`;
      return refused(turn, HttpErrors.BATCH_TOO_LARGE(detail), turn.remainingBytes);
    }
    const parsed = length > 0 ? (JSON.parse(body.toString()) as unknown) : null;
    return { answer: { id: turn.request.id, status, headers: shownHeaders(headers), body: parsed }, bytes: length };
  }

  /** Sends the request through the usual hooks, guards and limits; the deadline and a cancel of the batch reach it too. */
  private inject({ request, requestId, caller }: Turn): Promise<LightMyRequestResponse> {
    const { authorization = '', host = '', 'user-agent': agent = '' } = caller.headers;
    return this.host.httpAdapter.getInstance<FastifyInstance>().inject({
      method: request.method,
      url: request.path,
      remoteAddress: caller.ip,
      headers: {
        ...request.headers,
        ...{ authorization, host, 'user-agent': agent, 'x-request-id': requestId },
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(request.body !== undefined && { payload: JSON.stringify(request.body) }),
      payloadAsStream: true,
    });
  }
}

/** Reads at most `limit` bytes. Stops as soon as the response proves to be too large or not JSON; the rest is not produced. */
async function readUpTo(limit: number, { stream, headers, raw }: LightMyRequestResponse) {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream() as Readable & AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= limit && isJson(headers)) continue;
    raw.res.destroy();
    break;
  }
  return { body: Buffer.concat(chunks), length };
}

/** A file is never JSON here, whatever type its owner declared: its content and parsing time are unchecked. */
function isJson(headers: LightMyRequestResponse['headers']): boolean {
  return headers['content-disposition'] === undefined && /[/+]json\b/.test(String(headers['content-type']));
}

function shownHeaders(headers: LightMyRequestResponse['headers']): Record<string, string> {
  const shown = ANSWER_HEADERS.filter((name) => headers[name] !== undefined);
  return Object.fromEntries(shown.map((name) => [name, String(headers[name])]));
}

function refused({ request, requestId, caller }: Turn, error: AppError, bytes: number) {
  const { path: originalUrl, method } = request;
  const body = toProblem(error, {
    id: requestId,
    originalUrl,
    method,
    ip: caller.ip,
    ...(caller.user && { user: caller.user }),
  });
  const headers = { 'content-type': PROBLEM_JSON, 'x-request-id': requestId };
  return { answer: { id: request.id, status: error.status, headers, body }, bytes };
}
