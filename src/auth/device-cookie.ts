// A device that an account has logged in on, as a signed httpOnly cookie (OWASP: device cookies against guessing).
import { Injectable } from '@nestjs/common';
import { parseCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../shared/config/app-config.js';
import { isMacOf, macOf } from '../shared/libs/signed-text.js';
import { setStrictCookie } from './strict-cookie.js';

export const DEVICE_COOKIE = 'device';

/**
 * Each device of an account may guess as often as all strangers together. Who knew the password once can have as many
 * cookies as it likes: so they are numbered in turn, and share so many counts. More than people have devices.
 */
export const MAX_DEVICES = 16;

const YEAR_SECONDS = 365 * 86_400;
const FORMAT = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9]\d{0,8})\.(0|[1-9]\d?)\.([\w-]{43})$/;

/** It proves no identity, only that whoever has it got in once, with the password of that generation. */
export interface KnownDevice {
  /** UUID of the account. */
  readonly userId: string;
  readonly generation: number;
  readonly number: number;
}

/** `<user>.<generation>.<number>.<mac>`. Of two accounts on one device, the one that logged in last is known. */
@Injectable()
export class DeviceCookie {
  constructor(private readonly config: AppConfig) {}

  /** Null without a cookie of ours. Whether its generation is still the current one, the account has to say. */
  read(request: FastifyRequest): KnownDevice | null {
    const presented = parseCookie(request.headers.cookie ?? '')[DEVICE_COOKIE] ?? '';
    const [, userId = '', generation, number, mac = ''] = FORMAT.exec(presented) ?? [];
    const text = `${userId}.${generation}.${number}`;
    if (!isMacOf(this.config.auth.cookieSecret, DEVICE_COOKIE, text, mac)) return null;
    return { userId, generation: Number(generation), number: Number(number) };
  }

  set(reply: FastifyReply, { userId, generation, number }: KnownDevice): void {
    const text = `${userId}.${generation}.${number}`;
    const mac = macOf(this.config.auth.cookieSecret, DEVICE_COOKIE, text);
    setStrictCookie(reply, this.config, { name: DEVICE_COOKIE, value: `${text}.${mac}`, maxAge: YEAR_SECONDS });
  }
}
