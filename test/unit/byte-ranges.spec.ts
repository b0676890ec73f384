// The Range header field: the parts it requests, and what is ignored or refused.
import { describe, expect, it } from '@jest/globals';
import { parseRanges } from '../../src/files/content/byte-ranges.js';
import { sealedPart, sealedSize } from '../../src/storage/blobs/sealed-bytes.js';

const of = (field: string, size = 1_000): unknown => parseRanges(field, size)?.map(({ start, end }) => [start, end]);

describe('a Range field for 1,000 bytes', () => {
  it.each([
    ['bytes=0-0', [[0, 0]]],
    ['bytes=0-', [[0, 999]]],
    ['bytes=10-19', [[10, 19]]],
    ['bytes=990-2000', [[990, 999]]],
    ['bytes=-1', [[999, 999]]],
    ['bytes=-5000', [[0, 999]]],
    ['BYTES = 5-6 ', [[5, 6]]],
    ['bytes=0-9,20-29', [[0, 9], [20, 29]]],
    ['bytes=20-29,0-9', [[20, 29], [0, 9]]],
    ['bytes=0-9, ,20-29,', [[0, 9], [20, 29]]],
    ['bytes=0-9,5-14', [[0, 14]]],
    ['bytes=0-9,10-19', [[0, 19]]],
    ['bytes=20-29,0-9,25-35', [[0, 9], [20, 35]]],
    ['bytes=5000-,0-1', [[0, 1]]],
    ['bytes=0-99999999999999999999', [[0, 999]]],
  ])('%s is %j', (field, expected) => expect(of(field)).toEqual(expected)); // prettier-ignore

  it.each(['bytes=1000-', 'bytes=1000-1001', 'bytes=-0', 'bytes=5000-6000,-0'])('%s is not satisfiable', (field) =>
    expect(of(field)).toEqual([]),
  );

  it.each([
    '', 'bytes', 'bytes=', 'bytes=,', 'bytes=-', 'bytes=a-b', 'bytes=9-0', 'bytes=0-9,x', 'bytes=--1', 'bytes=1-2-3', 'items=0-9',
    'bytes=0x1-2', `bytes=${Array.from({ length: 17 }, (_, at) => `${at * 10}-${at * 10 + 1}`).join()}`, `bytes=0-9${','.repeat(2_000)}`,
  ])('%j is ignored', (field) => expect(of(field)).toBeUndefined()); // prettier-ignore

  it('no range of an empty file is satisfiable', () => {
    expect([of('bytes=0-', 0), of('bytes=0-0', 0), of('bytes=-1', 0)]).toEqual([[], [], []]);
  });
});

it.each([
  [0, 16],
  [1, 17],
  [65_536, 65_552],
  [65_537, 65_569],
  [131_072, 131_104],
])('%i plain bytes become %i encrypted bytes', (size, sealed) => {
  expect(sealedSize(size)).toBe(sealed);
  expect(sealedPart(size).range).toEqual({ start: 0, end: sealed - 1 });
});
