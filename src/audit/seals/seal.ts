// A seal: the signed hash of consecutive audit entries, chained to the seal before it (Ed25519, RFC 8032).
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign, verify } from 'node:crypto';
import { HASH_BYTES, sha256, treeHash } from './merkle.js';

export interface UnsignedSeal {
  /** Positions of the first and the last entry. */
  first: string;
  last: string;
  /** Hashes of the entries, 32 bytes each, by position. */
  leaves: Buffer;
  root: Buffer;
  /** Hash of the seal before it; 32 zeros for the first one. */
  previous: Buffer;
  sealedAt: Date;
}

export interface Seal extends UnsignedSeal {
  signature: Buffer;
}

/** The hash of a missing entry. */
export const NO_LEAF = Buffer.alloc(HASH_BYTES);

/** An Ed25519 key is 32 random bytes behind this header (PKCS #8, RFC 8410). */
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex');

export class SealKey {
  private readonly key: KeyObject;
  /** Base64, SPKI. */
  readonly publicKey: string;

  /** Derives the key from a secret (HKDF, RFC 5869). */
  constructor(secret: string) {
    const seed = Buffer.from(hkdfSync('sha256', secret, '', 'holdfast audit seal', 32));
    this.key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.key).export({ format: 'der', type: 'spki' }).toString('base64');
  }

  sign(logId: string, seal: UnsignedSeal): Seal {
    return { ...seal, signature: sign(null, contentOf(logId, seal), this.key) };
  }
}

/** True when one of the public keys (base64, SPKI) has signed the seal and its root is the hash of its leaves. */
export function isGenuine(logId: string, seal: Seal, publicKeys: readonly string[]): boolean {
  if (seal.leaves.length === 0 || seal.leaves.length % HASH_BYTES !== 0) return false;
  if (!treeHash(leavesOf(seal)).equals(seal.root)) return false;
  const content = contentOf(logId, seal);
  return publicKeys.some((text) => {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    return verify(null, content, key, seal.signature);
  });
}

export function leavesOf({ leaves }: UnsignedSeal): Buffer[] {
  return Array.from({ length: leaves.length / HASH_BYTES }, (_, n) =>
    leaves.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES),
  );
}

/** Returns the hash of a seal, which the next one contains. */
export function hashOf(logId: string, seal: UnsignedSeal): Buffer {
  return sha256(contentOf(logId, seal));
}

/** The signed text. */
function contentOf(logId: string, { first, last, root, previous, sealedAt }: UnsignedSeal): Buffer {
  const lines = ['holdfast audit seal 1', logId, first, last, root.toString('hex'), previous.toString('hex')];
  return Buffer.from([...lines, sealedAt.toISOString()].join('\n'));
}
