// Rules for e-mail addresses and usernames: two of them cannot look equal through blanks, hidden characters or variants.
// Look-alike letters of different scripts (Latin a, Cyrillic а) are allowed: names in any script are welcome.
import { hasNoHidden, isEmailAddress, normalize } from './text.js';

interface IdentityRule {
  name: 'hasNoHidden' | 'hasPlainBlanks' | 'hasNoBlanks' | 'isEmail' | 'isPlainForm';
  /** True when the text follows the rule. The text must be in NFC and trimmed at both ends. */
  isKept: (text: string) => boolean;
  /** The requirement as text that follows "must". */
  demand: string;
}

const UNPLAIN_BLANK = /(?! )\p{White_Space}| {2}/u;
const BLANK = /\p{White_Space}/u;

/** The Thai and Lao letter AM. NFKC splits it into a mark and a vowel, but every Thai and Lao keyboard has it as one letter. */
const AM = /[\u0e33\u0eb3]/g;
const SPLIT_AM = /\u0e4d\u0e32|\u0ecd\u0eb2/;

/** True when the text equals its own NFKC form. Of the two forms of Thai and Lao AM, only the typed one is accepted. */
function isPlainForm(text: string): boolean {
  const rest = text.replace(AM, '');
  return !SPLIT_AM.test(text) && normalize(rest, 'NFKC') === rest;
}

const noHidden: IdentityRule = {
  name: 'hasNoHidden',
  isKept: hasNoHidden,
  demand: 'not hold characters that cannot be seen: controls, joiners, fillers, marks of direction',
};
const plainForm = (isKept: IdentityRule['isKept']): IdentityRule => ({
  name: 'isPlainForm',
  isKept,
  demand:
    'be written in plain characters, not in fullwidth or halfwidth ones, ligatures, superscripts or other variants',
});

export const USERNAME_RULES: readonly IdentityRule[] = [
  noHidden,
  {
    name: 'hasPlainBlanks',
    isKept: (text) => !UNPLAIN_BLANK.test(text),
    demand: 'have no blanks but single spaces between other characters',
  },
  plainForm(isPlainForm),
];

/** The rules for an address that `cleanEmail` returned: its domain is in ASCII. */
export const EMAIL_RULES: readonly IdentityRule[] = [
  noHidden,
  { name: 'isEmail', isKept: isEmailAddress, demand: 'be an email' },
  { name: 'hasNoBlanks', isKept: (text) => !BLANK.test(text), demand: 'have no blanks' },
  plainForm((text) => isPlainForm(text.slice(0, text.lastIndexOf('@')))),
];
