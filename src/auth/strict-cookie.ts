// How this house sets cookies: for the API of our own site alone, out of reach of scripts.
import { stringifySetCookie } from 'cookie';
import type { FastifyReply } from 'fastify';
import type { AppConfig } from '../shared/config/app-config.js';

/** `maxAge` in seconds; 0 takes the cookie away. */
export function setStrictCookie(
  reply: FastifyReply,
  { environment }: AppConfig,
  cookie: { name: string; value: string; maxAge: number },
): void {
  const text = stringifySetCookie({
    ...cookie,
    httpOnly: true,
    sameSite: 'strict',
    secure: environment === 'production' || reply.request.protocol === 'https',
    path: '/api', // /api/auth and /api/v1/auth
  });
  void reply.header('set-cookie', text);
}
