// Page cursors: unreadable and tamper-proof for clients, bound to one list, and deterministic.
import { describe, expect, it } from '@jest/globals';
import { CursorCipher, type CursorKey } from '../../src/shared/libs/cursor.js';
import { mutations, seeded } from '../support/fuzz/random.js';

const SCOPE = 'tasks:-createdAt';
const KEY: CursorKey = ['2030-01-31T09:00:00.000Z', '7316546351203844096'];
const cipher = new CursorCipher('a secret of more than 32 characters');
const sealed = cipher.seal(SCOPE, KEY);

it.each<[CursorKey]>([[KEY], [[3, '1']], [['infinity', '9223372036854775807']], [['naïve 😀', '']]])(
  'opening a sealed cursor returns its value: %j',
  (key) => {
    expect(cipher.open(SCOPE, cipher.seal(SCOPE, key))).toEqual(key);
  },
);

it('a cursor works in every process that has the secret', () => {
  expect(new CursorCipher('a secret of more than 32 characters').open(SCOPE, sealed)).toEqual(KEY);
});

describe('a cursor of the same position in the same list (a stable cursor keeps the ETag of its page stable)', () => {
  const nonceOf = (cursor: string): string => cursor.slice(0, 16);

  it('is the same in every process at any time', () => {
    const other = new CursorCipher('a secret of more than 32 characters');
    expect([cipher.seal(SCOPE, KEY), other.seal(SCOPE, KEY)]).toEqual([sealed, sealed]);
  });

  it('shares its nonce with no other cursor, because GCM must never use a nonce twice with one key', () => {
    const others = Array.from({ length: 1_000 }, (_, at) => cipher.seal(SCOPE, [at, '1']));
    const elsewhere = cipher.seal(`${SCOPE} `, KEY);
    const moved = [cipher.seal('a', ['bc']), cipher.seal('a["b', ['c'])];
    expect(new Set([sealed, elsewhere, ...moved, ...others].map(nonceOf)).size).toBe(1_004);
  });
});

describe('a cursor contains nothing', () => {
  it('of its content in readable form', () => {
    const inside = Buffer.from(sealed, 'base64url').toString('latin1');
    for (const part of ['2030', '7316546351203844096', 'tasks']) {
      expect(inside).not.toContain(part);
      expect(sealed).not.toContain(part);
    }
  });

  it('that needs escaping in a URL', () => {
    expect(sealed).toMatch(/^[\w-]+$/);
  });
});

describe('opening a cursor returns null', () => {
  it('after a change of any bit', () => {
    const bytes = Buffer.from(sealed, 'base64url');
    for (let at = 0; at < bytes.length * 8; at++) {
      const bent = Buffer.from(bytes);
      bent.writeUInt8(bent.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
      expect(cipher.open(SCOPE, bent.toString('base64url'))).toBeNull();
    }
  });

  it('in any other spelling', () => {
    for (const text of mutations(sealed, 2_000, seeded(1)))
      expect([text, cipher.open(SCOPE, text)]).toEqual([text, null]);
    for (const text of [
      `${sealed}=`,
      ` ${sealed}`,
      `${sealed}\n`,
      sealed.replaceAll('-', '+').replaceAll('_', '/') + '==',
    ])
      expect(cipher.open(SCOPE, text)).toBeNull();
  });

  it.each(['', 'A', 'null', 'A'.repeat(37), 'A'.repeat(38), 'A'.repeat(39), 'A'.repeat(500), '😀', '\0'])(
    'for the text %j',
    (text) => {
      expect(cipher.open(SCOPE, text)).toBeNull();
    },
  );

  it.each(['tasks:createdAt', 'tasks:-updatedAt', 'users:-createdAt', '', `${SCOPE} `])('for the scope %j', (scope) => {
    expect(cipher.open(scope, sealed)).toBeNull();
  });

  it('with another secret', () => {
    expect(new CursorCipher('another secret of more than 32 characters').open(SCOPE, sealed)).toBeNull();
  });
});
