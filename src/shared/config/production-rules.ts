// Rules for production: secrets must be hard to guess, and proxy ranges must be narrow. Pure.
import { isIP } from 'node:net';

const MIN_SECRET_LENGTH = 32;
const MIN_DIFFERENT_CHARACTERS = 8;
/** Of 32 random hexadecimal digits, fewer than this are new only once in ten million times. */
const MIN_NEW_CHARACTERS = 24;
/** This many characters in a row that already occurred before count as a repetition. */
const REPETITION = 4;
/** The shortest prefix of a proxy range: a private network has 8 bits (10.0.0.0/8), an IPv6 allocation 16 or more. */
const MIN_PREFIX = { 4: 8, 6: 16 } as const;
/** The number of prefix bits before an IPv4 address inside IPv6 (::ffff:a.b.c.d). */
const MAPPED_BITS = 96;

/** Typical placeholders of documentation. Compared in lower case, with letters and digits only. */
const PLACEHOLDER =
  /change(me|this|it|before|in)|replace(me|this|with|it)|placeholder|example|your\w*(secret|key)|(super|my|default|dev|development|test|session|cookie|jwt|string|256bit)secret|secret(key|here)|insecure|password|qwerty|asdfgh|azerty/;

/** Returns why a secret is easy to guess, or null when it looks random. The text never contains the secret. */
export function weaknessOfSecret(secret: string): string | null {
  const text = secret.trim();
  if (text.length < MIN_SECRET_LENGTH) return `has fewer than ${MIN_SECRET_LENGTH} characters besides blanks`;
  if (new Set(text.replace(/\s/g, '')).size < MIN_DIFFERENT_CHARACTERS)
    return `has fewer than ${MIN_DIFFERENT_CHARACTERS} different characters`;
  if (countNew(text.toLowerCase()) < MIN_NEW_CHARACTERS) return 'repeats the same characters';
  if (isSequence(text)) return 'counts through the alphabet or the digits';
  if (PLACEHOLDER.test(text.toLowerCase().replace(/[^a-z0-9]/g, ''))) return 'is a placeholder from documentation';
  return null;
}

/** Counts the characters of the text without repetitions of earlier parts. */
function countNew(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length;) {
    let known = 0;
    while (at + known < text.length && text.slice(0, at + known).includes(text.slice(at, at + known + 1))) known++;
    at += known < REPETITION ? 1 : known;
    if (known < REPETITION) count++;
  }
  return count;
}

/** True when most characters equal the previous one, or follow it in the alphabet, up or down. */
function isSequence(text: string): boolean {
  let steps = 0;
  for (let at = 1; at < text.length; at++) if (Math.abs(text.charCodeAt(at) - text.charCodeAt(at - 1)) <= 1) steps++;
  return steps > text.length / 2;
}

interface Network {
  version: 4 | 6;
  /** Length of the prefix. */
  bits: number;
}

/** Returns null for text that is no address or CIDR range, and for a range that contains all addresses. */
function parseNetwork(item: string): Network | null {
  const [address = '', prefix, ...rest] = item.split('/');
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || rest.length > 0) return null;
  const max = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? max : /^\d{1,3}$/.test(prefix) ? Number(prefix) : 0;
  const isMapped = bits >= MAPPED_BITS && /^(::|(0{1,4}:){5})ffff:/i.test(address);
  const network: Network = isMapped ? { version: 4, bits: bits - MAPPED_BITS } : { version, bits };
  return network.bits >= 1 && bits <= max ? network : null;
}

/** True for an address, or a CIDR range that does not contain all addresses. */
export function isNetwork(item: string): boolean {
  return parseNetwork(item) !== null;
}

/** False for a range that is far larger than one operator's proxies. */
export function isNarrowNetwork(item: string): boolean {
  const network = parseNetwork(item);
  return network === null || network.bits >= MIN_PREFIX[network.version];
}
