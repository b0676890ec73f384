// Reads the bearer token of a request (RFC 6750, 2.1), and refuses a request without a valid one (RFC 6750, 3).
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../common/http/http.errors.js';
import type { AppError } from '../shared/libs/app-error.js';

const BEARER = /^Bearer +([\w.~+/=-]+)$/i;

export function bearerTokenOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  return BEARER.exec(headers.authorization ?? '')?.[1];
}

export function missingToken(): AppError {
  return HttpErrors.UNAUTHENTICATED('An access token is needed.');
}

export function invalidToken(): AppError {
  return HttpErrors.AUTH_TOKEN_INVALID().withHeader('www-authenticate', 'Bearer error="invalid_token"');
}
