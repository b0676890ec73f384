// The refresh token as a signed httpOnly cookie, for browsers.
import { Injectable } from '@nestjs/common';
import { parseCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpSettings } from '../common/http/http.settings.js';
import { ProcessSettings } from '../shared/config/process.settings.js';
import { SecuritySettings } from '../shared/security/security.settings.js';
import { SessionSettings } from './sessions.settings.js';
import { isMacOf, macOf } from '../shared/libs/signed-text.js';
import { AuthErrors } from './auth.errors.js';
import { setStrictCookie } from './strict-cookie.js';

export const REFRESH_COOKIE = 'refresh_token';

/** Uses no cookie plugin: it would parse the cookies of every request, although only one route reads one. */
@Injectable()
export class RefreshCookie {
  constructor(
    private readonly process: ProcessSettings,
    private readonly secrets: SecuritySettings,
    private readonly sessions: SessionSettings,
    private readonly http: HttpSettings,
  ) {}

  set(reply: FastifyReply, token: string): void {
    this.write(reply, `${token}.${macOf(this.secrets.cookieSecret, REFRESH_COOKIE, token)}`, this.sessions.ttl / 1000);
  }

  clear(reply: FastifyReply): void {
    this.write(reply, '', 0);
  }

  /**
   * Returns the token in the cookie, or '' when there is none or its signature is wrong. Browsers send cookies
   * automatically, so the request must come from this or an allow-listed origin. Throws CROSS_SITE.
   */
  read(request: FastifyRequest): string {
    const value = parseCookie(request.headers.cookie ?? '')[REFRESH_COOKIE];
    if (value === undefined) return '';
    if (!this.isAllowed(request)) throw AuthErrors.CROSS_SITE();
    const [, token = '', mac = ''] = /^(.*)\.([\w-]+)$/.exec(value) ?? [];
    return isMacOf(this.secrets.cookieSecret, REFRESH_COOKIE, token, mac) ? token : '';
  }

  /** Checks the origin. Clients other than browsers send neither header, and are allowed. */
  private isAllowed(request: FastifyRequest): boolean {
    const { origin, 'sec-fetch-site': site } = request.headers;
    if (origin !== undefined)
      return origin === `${request.protocol}://${request.host}` || this.http.corsOrigins.includes(origin);
    return site === undefined || site === 'same-origin' || site === 'none';
  }

  private write(reply: FastifyReply, value: string, maxAge: number): void {
    setStrictCookie(reply, this.process, { name: REFRESH_COOKIE, value, maxAge });
  }
}
