// Signs short values that clients receive and send back unchanged: HMAC-SHA-256 (RFC 2104) in base64url.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Returns 43 characters of base64url. `purpose` separates the uses of one key: a MAC for one is invalid for another. */
export function macOf(key: string, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\n${text}`).digest('base64url');
}

/** True when `mac` is valid. Compares in constant time. */
export function isMacOf(key: string, purpose: string, text: string, mac: string): boolean {
  const expected = Buffer.from(macOf(key, purpose, text));
  const given = Buffer.from(mac);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
