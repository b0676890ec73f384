// Reads If-Match (RFC 9110, 13.1.1) as the versions that a change may start from.
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../http.errors.js';

/** Null: whatever version there is. Empty: none matches, as with weak tags, which If-Match never accepts. */
export type ExpectedVersions = readonly number[] | null;

const TAG = /^(W\/)?"([\x21\x23-\x7e]*)"$/;

/** Throws BAD_REQUEST when the header is not a list of entity tags. */
export function parseIfMatch(header: string | undefined): ExpectedVersions {
  if (header === undefined || header.trim() === '*') return null;
  return header.split(',').flatMap((part) => {
    const tag = TAG.exec(part.trim());
    if (!tag)
      throw HttpErrors.BAD_REQUEST('If-Match must be an entity tag in double quotes, like "3", a list of them, or *.');
    return tag[1] === undefined && /^[1-9]\d{0,8}$/.test(tag[2] as string) ? [Number(tag[2])] : [];
  });
}

export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): ExpectedVersions =>
  parseIfMatch(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']),
);
