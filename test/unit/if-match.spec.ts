// If-Match (RFC 9110, 13.1.1) as the versions that a change may start from.
import { describe, expect, it } from '@jest/globals';
import { parseIfMatch } from '../../src/common/decorators/if-match.decorator.js';
import { AppError } from '../../src/shared/libs/app-error.js';

describe('any version', () => {
  it.each([undefined, '*', ' * '])('%j', (header) => {
    expect(parseIfMatch(header)).toBeNull();
  });
});

describe('versions', () => {
  it.each([
    ['"3"', [3]],
    [' "3" ', [3]],
    ['"1", "2","30"', [1, 2, 30]],
    ['"999999999"', [999_999_999]],
    ['"3", W/"4", "other"', [3]],
  ])('%s', (header, versions) => {
    expect(parseIfMatch(header)).toEqual(versions);
  });
});

describe('tags that no version of ours has match none', () => {
  it.each(['W/"3"', '""', '"0"', '"03"', '"-3"', '"+3"', '"3.0"', '"1e0"', '"9999999999"', '"abc"', '"*"', '"v3"'])(
    '%s',
    (header) => {
      expect(parseIfMatch(header)).toEqual([]);
    },
  );
});

describe('no list of tags is a bad request', () => {
  it.each([
    '',
    ' ',
    '3',
    '"3',
    '3"',
    "'3'",
    'w/"3"',
    'W/3',
    '"3" "4"',
    '"3",',
    ',',
    '*, "3"',
    '"3", *',
    '"a b"',
    '"é"x',
    '"3"\0',
  ])('%j', (header) => {
    expect(() => parseIfMatch(header)).toThrow(AppError);
    expect(() => parseIfMatch(header)).toThrow('If-Match must be an entity tag in double quotes');
  });
});
