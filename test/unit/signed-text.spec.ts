// Message authentication codes: valid only for the same key, purpose and text.
import { expect, it } from '@jest/globals';
import { isMacOf, macOf } from '../../src/shared/libs/signed-text.js';
import { mutations, seeded } from '../support/fuzz/random.js';

const mac = macOf('key', 'refresh', 'naïve text');

it('the code is HMAC-SHA-256 over purpose and text, in base64url', () => {
  // printf 'refresh\nnaïve text' | openssl dgst -sha256 -hmac key -binary | basenc --base64url
  expect(mac).toBe('EABZlZQ-wTA5Mi2yOzgw--u6rCx99GFrF3JQllndZNk');
});

it('the code verifies', () => {
  expect(isMacOf('key', 'refresh', 'naïve text', mac)).toBe(true);
});

it.each([
  ['key', 'other key', 'refresh', 'naïve text'],
  ['key (empty)', '', 'refresh', 'naïve text'],
  ['purpose', 'key', 'cookie', 'naïve text'],
  ['text', 'key', 'refresh', 'naïve text '],
  ['text (empty)', 'key', 'refresh', ''],
  ['text (another normal form)', 'key', 'refresh', 'nai\u0308ve text'],
])('the code is refused for another %s', (_what, key, purpose, text) => {
  expect(isMacOf(key, purpose, text, mac)).toBe(false);
});

it('the code is refused in any other spelling', () => {
  const others = [...mutations(mac, 2_000, seeded(2)), '', `${mac}=`, ` ${mac}`, 'é'.repeat(43), '\0'.repeat(43)];
  for (const other of others) expect([other, isMacOf('key', 'refresh', 'naïve text', other)]).toEqual([other, false]);
});
