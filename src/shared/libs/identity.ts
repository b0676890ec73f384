// Which e-mail addresses and usernames are taken: no two of them look the same because of blanks, hidden characters or variants.
// Letters of different scripts that look alike (Latin a, Cyrillic а) are no fault: names in any script are welcome.
import { hasNoHidden, isEmailAddress, normalize } from './text.js';

interface IdentityRule {
  name: 'hasNoHidden' | 'hasPlainBlanks' | 'hasNoBlanks' | 'isEmail' | 'isPlainForm';
  /** Of text in normal form C, trimmed at both ends. */
  isKept: (text: string) => boolean;
  /** Follows "must". */
  demand: string;
}

const UNPLAIN_BLANK = /(?! )\p{White_Space}| {2}/u;
const BLANK = /\p{White_Space}/u;

/** Letters that NFKC takes apart, and that every keyboard of Thai and Lao has: AM, as a mark and a vowel. */
const AM = /[\u0e33\u0eb3]/g;
const SPLIT_AM = /\u0e4d\u0e32|\u0ecd\u0eb2/;

/** Its own NFKC form; of Thai and Lao AM, which have two forms, the one that is typed. */
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

/** Of an address that `cleanEmail` has returned: its domain is in ASCII. */
export const EMAIL_RULES: readonly IdentityRule[] = [
  noHidden,
  { name: 'isEmail', isKept: isEmailAddress, demand: 'be an email' },
  { name: 'hasNoBlanks', isKept: (text) => !BLANK.test(text), demand: 'have no blanks' },
  plainForm((text) => isPlainForm(text.slice(0, text.lastIndexOf('@')))),
];
