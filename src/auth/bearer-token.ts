// Extracts the bearer token of a request (RFC 6750, 2.1).
import type { FastifyRequest } from 'fastify';

const BEARER = /^Bearer +([\w.~+/=-]+)$/i;

export function bearerTokenOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  return BEARER.exec(headers.authorization ?? '')?.[1];
}
