// The password policy: the refused passwords, the rule that each breaks, and the running time.
import { describe, expect, it } from '@jest/globals';
import { findPasswordFault } from '../../src/shared/security/password-policy.js';
import { PASSWORD } from '../support/server/server.js';

const ADA = { email: 'ada.lovelace@example.com', name: 'Ada Lovelace', username: 'countess' };
const ruleOf = (password: string, about = {}): string | undefined => findPasswordFault(password, about)?.rule;

describe('a common password, or a variant of one, is refused', () => {
  it.each([
    ...['password', 'password1', 'PASSWORD123', 'Password123!', 'password2024', 'Passw0rd!', 'P@ssw0rd1', 'pa$$word99'],
    ...['iloveyou', 'ILoveYou!', 'sunshine1', 'letmein123', 'trustno1', 'Summer2024!', 'football#7', 'michael_1990'],
    ...[
      'qwertyuiop',
      '1q2w3e4r5t',
      'zaq12wsx',
      'admin123',
      'welcome1',
      'changeme',
      'mypassword',
      'm0nkey!!'.slice(0, 7),
    ],
    ...['holdfast', 'holdfast1', 'Holdfast2024!', 'h0ldf4st', 'HOLDFAST!'],
    ...['1l0vey0u', 'pr1ncess', 'ｐａｓｓｗｏｒｄ１', 'dragon1!', 'superman-12', 'whatever'],
  ])('%s', (password) => {
    expect(ruleOf(password)).toBe('isNotCommon');
  });
});

describe('a repetition or a sequence is refused', () => {
  it.each([
    ...['aaaaaaaa', 'xxxxxxxxxx', 'abababab', 'abcabcabcabc', '😀😀😀😀😀😀😀😀', 'testtest', '12341234!'],
    ...['12345678', '123456789012', '98765432', 'abcdefgh', 'ABCDEFGHIJ', 'hgfedcba', '12345678!', 'aaaaaaaa1999'],
    'x'.repeat(128),
  ])('%s', (password) => {
    expect(['isNotRepetitive', 'isNotCommon']).toContain(ruleOf(password));
  });
});

describe('a password of blanks is refused', () => {
  it.each([
    ' '.repeat(8),
    '\t \u00a0\u3000\u2003   ',
    '\u200b'.repeat(8),
    '\u3164 \u3164 \u3164 \u3164',
    '\u2800'.repeat(9),
  ])('%j', (password) => {
    expect(ruleOf(password)).toBe('isNotBlank');
  });
});

describe('a password from public data of the account is refused', () => {
  it.each([
    ...['ada.lovelace@example.com', 'ADA.Lovelace@Example.com', 'ada.lovelace', 'AdaLovelace', 'ada-lovelace'],
    ...['Ada Lovelace', 'ADA LOVELACE1815', 'adalovelace!', 'Countess', 'countess99', 'ada.lovelace@example.com1'],
  ])('%s', (password) => {
    expect(ruleOf(password, ADA)).toBe('isNotPersonal');
    expect(ruleOf(`${password} beats the engine`, ADA)).toBeUndefined();
  });

  it('without account data the account rules refuse nothing', () => {
    expect(ruleOf('!!!§§§---###', { email: null, name: '', username: undefined })).toBeUndefined();
  });
});

it.each([
  ...[PASSWORD, 'correct horse battery', 'securepassword', 'another-battery-staple', 'a new battery staple'],
  ...[
    'Tr0ub4dour&3',
    'set by root',
    'throw-away bag',
    'kX9#mQ2$',
    '日本語のパスワード',
    'наш секрет 42',
    '9f8e7d6c5b',
    'passwordless life',
    'hold fast to your dreams',
  ],
  ...['example.com', 'hunter of dragons', 'eight ch'],
])('the password is accepted: %s', (password) => {
  expect(findPasswordFault(password, ADA)).toBeNull();
});

it('the message names the field and states what to choose', () => {
  for (const password of ['password1', 'aaaaaaaa', '        ', 'Ada Lovelace'])
    expect(findPasswordFault(password, ADA)?.message).toMatch(/^must .*: choose /);
});

it('the longest and most unusual passwords take microseconds', () => {
  const shapes = ['@4({[<368e9!1|0$5+7%2', '1', 'aA1!', '!', '0123', 'ab', '😀', 'e\u0301', '\u200b', 'ﷺ', '-1-'];
  const { user: before } = process.cpuUsage();
  for (const shape of shapes) for (let at = 0; at < 50; at++) ruleOf(shape.repeat(128).slice(0, 128), ADA);
  expect((process.cpuUsage().user - before) / 1_000 / (50 * shapes.length)).toBeLessThan(5); // milliseconds each
});
