// Seeded random numbers, so that a failing case can be repeated.

export type Random = () => number;

/** Mulberry32: returns numbers from 0 (inclusive) to 1 (exclusive). */
export function seeded(seed: number): Random {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';

/** Returns `count` distinct variants of `token`: changed, lost, doubled or moved characters, truncation, other case. */
export function mutations(token: string, count: number, random: Random): string[] {
  const found = new Set<string>();
  const last = token.length - 1;
  for (const char of ALPHABET) found.add(token.slice(0, -1) + char); // the last base64url character has unused bits
  while (found.size < count) {
    const at = below(random, token.length);
    const [before, char, after] = [token.slice(0, at), token.charAt(at), token.slice(at + 1)];
    found.add(
      pick(random, [
        () => before + pick(random, [...ALPHABET]) + after,
        () => before + after,
        () => before + char + char + after,
        () => before + pick(random, [...ALPHABET]) + char + after,
        () => after + before + char,
        () => before || 'x',
        () => token + token.slice(at, at + 4),
        () => before + (char === char.toUpperCase() ? char.toLowerCase() : char.toUpperCase()) + after,
        () => token.slice(0, Math.min(at, last)) + token.charAt(last) + token.slice(at + 1, last) + char,
      ])(),
    );
  }
  found.delete(token);
  return [...found];
}
