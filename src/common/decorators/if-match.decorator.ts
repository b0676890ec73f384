// Parameter decorator for the preconditions of a change, as the versions that the change may start from.
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { parsePreconditions } from '../http/preconditions.js';
import type { ExpectedVersions } from '../repositories/expected-versions.js';

/** Throws BAD_REQUEST when a header is malformed. */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): ExpectedVersions => {
  const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
  return parsePreconditions(headers['if-match'], headers['if-none-match']);
});
