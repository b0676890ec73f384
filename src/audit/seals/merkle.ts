// Hash tree over audit entries (Merkle tree hash of RFC 6962, section 2.1). Pure.
import { createHash } from 'node:crypto';

export const HASH_BYTES = 32;
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

export function sha256(...parts: Array<Buffer | string>): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function leafHash(text: string): Buffer {
  return sha256(LEAF, text);
}

/** Returns the root of the tree over at least one leaf. */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only && leaves.length === 1) return only;
  let half = 1;
  while (half * 2 < leaves.length) half *= 2; // the largest power of two below the number of leaves
  return sha256(NODE, treeHash(leaves.slice(0, half)), treeHash(leaves.slice(half)));
}
