// Signed httpOnly cookie of a device on which an account has logged in (OWASP: device cookies against guessing).
import { Injectable } from '@nestjs/common';
import { parseCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProcessSettings } from '../shared/config/process.settings.js';
import { SecuritySettings } from '../shared/security/security.settings.js';
import { isMacOf, macOf } from '../shared/libs/signed-text.js';
import { setStrictCookie } from './strict-cookie.js';

export const DEVICE_COOKIE = 'device';

/**
 * Each known device of an account may guess as often as all unknown devices together. A person who once knew the password
 * can collect any number of cookies; therefore cookies get one of 16 numbers in turn, and cookies with the same number
 * share one count. 16 is more than the number of devices that people have.
 */
export const MAX_DEVICES = 16;

const YEAR_SECONDS = 365 * 86_400;
const FORMAT = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9]\d{0,8})\.(0|[1-9]\d?)\.([\w-]{43})$/;

/** Proves no identity, only that the device has logged in once with the password of that generation. */
export interface KnownDevice {
  /** UUID of the account. */
  readonly userId: string;
  readonly generation: number;
  readonly number: number;
}

/** Value: `<user>.<generation>.<number>.<mac>`. When two accounts use one device, only the latest login is known. */
@Injectable()
export class DeviceCookie {
  constructor(
    private readonly process: ProcessSettings,
    private readonly secrets: SecuritySettings,
  ) {}

  /** Returns null without a valid cookie. The caller must check whether its generation is the current one. */
  read(request: FastifyRequest): KnownDevice | null {
    const presented = parseCookie(request.headers.cookie ?? '')[DEVICE_COOKIE] ?? '';
    const [, userId = '', generation, number, mac = ''] = FORMAT.exec(presented) ?? [];
    const text = `${userId}.${generation}.${number}`;
    if (!isMacOf(this.secrets.cookieSecret, DEVICE_COOKIE, text, mac)) return null;
    return { userId, generation: Number(generation), number: Number(number) };
  }

  set(reply: FastifyReply, { userId, generation, number }: KnownDevice): void {
    const text = `${userId}.${generation}.${number}`;
    const mac = macOf(this.secrets.cookieSecret, DEVICE_COOKIE, text);
    setStrictCookie(reply, this.process, { name: DEVICE_COOKIE, value: `${text}.${mac}`, maxAge: YEAR_SECONDS });
  }
}
