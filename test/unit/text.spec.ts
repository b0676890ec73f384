// Which text PostgreSQL stores as it is, and how user text stands in a LIKE pattern.
import { expect, it } from '@jest/globals';
import { escapeLike, isStorableText } from '../../src/shared/libs/text.js';

it.each([
  ['', true],
  ['naïve 日本 😀', true],
  ['a\0b', false],
  ['\ud83d', false],
  ['x\ude00\ud83d', false],
])('%j is storable: %s', (text, storable) => {
  expect(isStorableText(text)).toBe(storable);
});

it('pattern characters are escaped, all of them, and nothing else', () => {
  expect(escapeLike('50%_off\\now% [a-z]*')).toBe('50\\%\\_off\\\\now\\% [a-z]*');
});
