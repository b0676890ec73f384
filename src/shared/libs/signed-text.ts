// Short values that leave the server and come back unchanged: HMAC-SHA-256 (RFC 2104) in base64url.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** 43 characters of base64url. `purpose` separates uses of one key: a mac made for one is worthless for another. */
export function macOf(key: string, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\n${text}`).digest('base64url');
}

/** Compares in constant time. */
export function isMacOf(key: string, purpose: string, text: string, mac: string): boolean {
  const expected = Buffer.from(macOf(key, purpose, text));
  const given = Buffer.from(mac);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
