// Sets cookies of this application: for its own site's API only, and not readable by scripts.
import { stringifySetCookie } from 'cookie';
import type { FastifyReply } from 'fastify';
import type { ProcessSettings } from '../shared/config/process.settings.js';

/** `maxAge` in seconds; 0 deletes the cookie. */
export function setStrictCookie(
  reply: FastifyReply,
  { environment }: ProcessSettings,
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
