// Glob patterns match the same keys in memory as in Redis.
import { expect, it } from '@jest/globals';
import { globMatcher } from '../../src/shared/libs/glob.js';

it.each([
  ['*', 'anything: at/all\n', true],
  ['task:*', 'task:1', true],
  ['task:*', 'my task:1', false],
  ['task:*:x', 'task:1:2:x', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['a[bc]d', 'acd', true],
  ['a[bc]d', 'aed', false],
  ['a[b-d]e', 'ace', true],
  ['a[^b-d]e', 'ace', false],
  ['a[^b-d]e', 'axe', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a\\[b', 'a[b', true],
  ['a[\\]]b', 'a]b', true],
  ['a[b', 'a[b', true],
  ['a[d-b]e', 'ace', true],
  ['a[\\d-]e', 'a-e', true],
  ['a[\\d-]e', 'a1e', false],
  ['*b*d', 'abcbd', true],
  ['*b*d', 'abcbdc', false],
  ['a.b', 'axb', false],
  ['a(b)+{2}|$^', 'a(b)+{2}|$^', true],
  ['', '', true],
  ['', 'x', false],
])('pattern %j, key %j: %s', (pattern, text, matches) => {
  expect(globMatcher(pattern)(text)).toBe(matches);
});

it('matching takes linear time for any number of stars', () => {
  const before = process.cpuUsage();
  for (const stars of ['*a'.repeat(40), '*'.repeat(80)]) expect(globMatcher(`${stars}b`)('a'.repeat(100))).toBe(false);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(50); // a backtracking RegExp would take years
});
