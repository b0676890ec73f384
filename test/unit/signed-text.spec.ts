// Macs: the same for the same key, purpose and text, and for nothing else.
import { expect, it } from '@jest/globals';
import { isMacOf, macOf } from '../../src/shared/libs/signed-text.js';
import { mutations, seeded } from '../support/random.js';

const mac = macOf('key', 'refresh', 'naïve text');

it('is HMAC-SHA-256 over purpose and text, in base64url', () => {
  // printf 'refresh\nnaïve text' | openssl dgst -sha256 -hmac key -binary | basenc --base64url
  expect(mac).toBe('EABZlZQ-wTA5Mi2yOzgw--u6rCx99GFrF3JQllndZNk');
});

it('is recognised', () => {
  expect(isMacOf('key', 'refresh', 'naïve text', mac)).toBe(true);
});

it.each([
  ['key', 'other key', 'refresh', 'naïve text'],
  ['key that is empty', '', 'refresh', 'naïve text'],
  ['purpose', 'key', 'cookie', 'naïve text'],
  ['text', 'key', 'refresh', 'naïve text '],
  ['text that is empty', 'key', 'refresh', ''],
  ['text in another normal form', 'key', 'refresh', 'nai\u0308ve text'],
])('is worthless for another %s', (_what, key, purpose, text) => {
  expect(isMacOf(key, purpose, text, mac)).toBe(false);
});

it('is refused in any other spelling', () => {
  const others = [...mutations(mac, 2_000, seeded(2)), '', `${mac}=`, ` ${mac}`, 'é'.repeat(43), '\0'.repeat(43)];
  for (const other of others) expect([other, isMacOf('key', 'refresh', 'naïve text', other)]).toEqual([other, false]);
});
