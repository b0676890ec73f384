// The rules for refused passwords: those that an attacker tries first.
import { dictionary } from '@zxcvbn-ts/language-common';
import { isVisible, normalize } from '../libs/text.js';

/** The data of the account that an attacker may know. */
export interface PersonalDetails {
  email?: string | null;
  name?: string | null;
  username?: string | null;
}

/** `message` follows the name of the field, and explains how to choose a better password. */
export interface PasswordFault {
  rule: string;
  message: string;
}

/** The 49,233 most used passwords of published breaches, in lower case, and the name of this product. */
const COMMON = new Set([...dictionary['passwords-common'], 'holdfast']);

/** Typical endings: a year or a number, with an optional symbol before and after it. */
const APPENDIX = /[^\p{L}\p{N}]?\d{0,4}[^\p{L}\p{N}]?$/u;

const LOOKALIKES: Record<string, string> = {
  ...{ '@': 'a', '4': 'a', '8': 'b', '(': 'c', '3': 'e', '6': 'g', '9': 'g', '|': 'i', '!': 'i' },
  ...{ '0': 'o', $: 's', '5': 's', '7': 't', '+': 't', '2': 'z' },
};

const FAULTS = {
  isNotBlank: 'must hold something that can be seen: choose four words that do not belong together',
  isNotPersonal:
    'must not be the e-mail address, name or username of the account: choose text that cannot be looked up',
  isNotRepetitive: 'must not repeat a few characters, or count: choose four words that do not belong together',
  isNotCommon:
    'must not be one of the most used passwords, or nearly one: choose four words that do not belong together',
} as const;

/**
 * Returns null when the password is not among an attacker's first million guesses. Uses a list and four patterns instead of
 * an entropy estimate: zxcvbn takes 60 to 90 ms for 72 hostile characters and blocks the process meanwhile; this takes
 * microseconds for 128. `password` must follow the rules of PasswordField.
 */
export function findPasswordFault(password: string, details: PersonalDetails): PasswordFault | null {
  const text = normalize(password, 'NFKC').toLowerCase();
  const rule = brokenRule(text, details);
  return rule && { rule, message: FAULTS[rule] };
}

function brokenRule(text: string, details: PersonalDetails): keyof typeof FAULTS | null {
  if (!isVisible(text)) return 'isNotBlank';
  const stems = [text, text.replace(/[^\p{L}\p{N}]$/u, ''), text.replace(APPENDIX, '')];
  if (isPersonal(stems, details)) return 'isNotPersonal';
  if (stems.some(isRepetitive)) return 'isNotRepetitive';
  return stems.some(isCommon) ? 'isNotCommon' : null;
}

function isCommon(text: string): boolean {
  const letters = [...text].map((sign) => LOOKALIKES[sign] ?? sign).join('');
  return [text, letters.replaceAll('1', 'l'), letters.replaceAll('1', 'i')].some((word) => COMMON.has(word));
}

/** Matches `aaaaaaaa`, `abcabcabc`, `12345678`, `987654321`. */
function isRepetitive(text: string): boolean {
  if (/^(.{1,4}?)\1+$/su.test(text)) return true;
  const points = [...text].map((sign) => sign.codePointAt(0) as number);
  const steps = new Set(points.slice(1).map((point, at) => point - (points[at] as number)));
  return steps.size === 1 && (steps.has(1) || steps.has(-1));
}

/** Ignores symbols between the letters. */
function isPersonal(stems: readonly string[], { email, name, username }: PersonalDetails): boolean {
  const bare = (text: string): string =>
    normalize(text, 'NFKC')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, '');
  const known = [email, email?.slice(0, email.lastIndexOf('@')), name, username].map((text) => bare(text ?? ''));
  return stems.map(bare).some((stem) => stem !== '' && known.includes(stem));
}
