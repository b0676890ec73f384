// If-Match and If-None-Match (RFC 9110, 13.1.1, 13.1.2) as the versions that a change accepts.
import { describe, expect, it } from '@jest/globals';
import { parsePreconditions } from '../../src/common/http/preconditions.js';
import { expectVersion } from '../../src/common/repositories/expected-versions.js';
import { AppError } from '../../src/shared/libs/app-error.js';

const parseIfMatch = (header: string | undefined) => parsePreconditions(header, undefined);
const required = (versions: number[]) => ({ versions, isRequired: true });

describe('an If-Match field that accepts any version', () => {
  it.each([undefined, '*', ' * '])('%j', (header) => {
    expect(parseIfMatch(header)).toBeNull();
  });
});

describe('an If-Match field with versions', () => {
  it.each([
    ['"3"', [3]],
    [' "3" ', [3]],
    ['"1", "2","30"', [1, 2, 30]],
    ['"999999999"', [999_999_999]],
    ['"3", W/"4", "other"', [3]],
  ])('%s', (header, versions) => {
    expect(parseIfMatch(header)).toEqual(required(versions));
  });
});

describe('tags that are no version match nothing', () => {
  it.each(['W/"3"', '""', '"0"', '"03"', '"-3"', '"+3"', '"3.0"', '"1e0"', '"9999999999"', '"abc"', '"*"', '"v3"'])(
    '%s',
    (header) => {
      expect(parseIfMatch(header)).toEqual(required([]));
    },
  );
});

describe('a field that is no list of tags is a bad request', () => {
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

describe('If-None-Match fields', () => {
  it.each<[string | undefined, string, number[], boolean]>([
    [undefined, '*', [], true],
    ['"3"', '*', [], true],
    [undefined, '"3"', [3], false],
    [undefined, 'W/"3", "4", "other"', [3, 4], false],
    ['*', '"3"', [3], false],
    ['"3", "4"', '"4"', [3], true],
    ['"3"', '"3"', [], true],
  ])('are combined with If-Match: %s, If-None-Match: %s', (match, none, versions, isRequired) => {
    expect(parsePreconditions(match, none)).toEqual({ versions, isRequired });
  });

  it.each(['', '3', '"3', '*, "3"'])('in the form %j are a bad request', (header) => {
    expect(() => parsePreconditions(undefined, header)).toThrow('If-None-Match must be an entity tag in double quotes');
  });
});

it('a version is compared with the expected versions', () => {
  const isAllowed = (versions: number[], isRequired: boolean, version: number) => {
    try {
      expectVersion({ versions, isRequired }, version);
      return true;
    } catch {
      return false;
    }
  };
  expect([isAllowed([3], true, 3), isAllowed([3], true, 4), isAllowed([], true, 3)]).toEqual([true, false, false]);
  expect([isAllowed([3], false, 3), isAllowed([3], false, 4), isAllowed([], false, 3)]).toEqual([false, true, true]);
  expect(() => expectVersion(null, 3)).not.toThrow();
});
