// A device that an account has logged in on, as a signed httpOnly cookie (OWASP: device cookies against guessing).
import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { parseCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../shared/config/app-config.js';
import { isMacOf, macOf } from '../shared/libs/signed-text.js';
import { setStrictCookie } from './strict-cookie.js';

export const DEVICE_COOKIE = 'device';

const YEAR_SECONDS = 365 * 86_400;
const FORMAT = /^([\w-]{22})\.([\w-]{43})$/;

/**
 * `<device>.<mac>`, bound to one account: another one's cookie opens nothing. It proves no identity, only that a
 * guesser had to get in once before. Of two accounts on one device, the one that logged in last is known.
 */
@Injectable()
export class DeviceCookie {
  constructor(private readonly config: AppConfig) {}

  /** As it was presented; '' when there is none. Not yet checked: the account is needed for that. */
  read(request: FastifyRequest): string {
    return parseCookie(request.headers.cookie ?? '')[DEVICE_COOKIE] ?? '';
  }

  /** Null when the account has not logged in there. */
  findDevice(presented: string, email: string): string | null {
    const [, device = '', mac = ''] = FORMAT.exec(presented) ?? [];
    return isMacOf(this.config.auth.cookieSecret, DEVICE_COOKIE, `${device}.${email}`, mac) ? device : null;
  }

  /** After a login; a known device stays the same one. */
  set(request: FastifyRequest, reply: FastifyReply, email: string): void {
    const device = this.findDevice(this.read(request), email) ?? randomBytes(16).toString('base64url');
    const mac = macOf(this.config.auth.cookieSecret, DEVICE_COOKIE, `${device}.${email}`);
    setStrictCookie(reply, this.config, { name: DEVICE_COOKIE, value: `${device}.${mac}`, maxAge: YEAR_SECONDS });
  }
}
